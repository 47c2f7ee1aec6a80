"""The running service: a log and its writer, the accounts in memory, the projections, and how they start and stop."""

import asyncio
import hmac
import logging
import os
import re
import sqlite3
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from api.actions import Write
from api.actions.action import Proof
from api.caller import Caller, asked_by, credential, partition_of_region, unauthenticated
from api.errors import refusal
from api.followers import Followers
from api.instants import Basis, Instant, parse_instant, resolve, resolve_projected
from api.secrets import Keeper
from eventstore.log import Log, LogError, size
from eventstore.notes import SigningKey
from eventstore.record import Actor, Restored, Row, from_microseconds, id_time, open_envelope
from eventstore.secrets import Secrets
from eventstore.uses import Uses
from eventstore.writer import Answer, Command, CommandMismatch, Unavailable, Writer
from iam import access_keys, policies, relations
from iam.arns import root_arn
from iam.catalogue import SOURCE_PARTITION
from iam.commands import Moment
from iam.errors import (
    IamError,
    IdempotentParameterMismatch,
    InvalidClientTokenId,
    ServiceUnavailable,
    ValidationError,
)
from iam.events import AnyEvent
from iam.identities import USER
from iam.state import Account, Draft, State, World
from iam.uses import NONE, Use
from projections.accounts import Accounts
from projections.instant import InstantState
from projections.issued import issued_keys
from projections.loading import load
from projections.projector import Projector
from projections.records import UnknownEvent
from projections.store import Projections
from projections.tables import checkpoints

logger = logging.getLogger(__name__)

T = TypeVar("T")

DOCUMENT_CHARACTERS_IN_ATTEMPT = 2048
DOCUMENTS = ("policy_document", "assume_role_policy_document")
KEY_TEXTS = (  # or, by mistake, a private key
    *("certificate_body", "certificate_chain", "ssh_public_key_body", "saml_metadata_document"),
)
SECRETS = (  # no record tells of these
    *("password", "old_password", "new_password", "private_key", "add_private_key"),
    *("authentication_code1", "authentication_code2"),
)
CAUGHT_UP_SECONDS_MAX = 5.0
CHECK_SECONDS_MAX = 2.0

_SCOPE = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_canonical = msgspec.json.Encoder(order="sorted").encode


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request beside what it asks."""

    caller: Caller
    request_id: str
    command_id: str | None
    source_ip: str
    user_agent: str


class Service:
    """Everything behind the protocols. `start` it on the event loop that it will serve from."""

    def __init__(
        self,
        log: Log,
        projections: Projections,
        world: World,
        digest_key: bytes,
        signing_key: SigningKey,
        secrets: Secrets,
        uses: Uses[Use],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.log = log
        self.world = world
        self._world_now = msgspec.structs.replace(world, uses=uses.latest)
        self.projections = projections
        self.projector = Projector(log, projections)
        self.accounts = Accounts(log, projections, self._world_now, self.projector)
        self.followers = Followers(log, self.accounts)
        self._writer: Writer[Draft, AnyEvent] = Writer(log, self.accounts, IamError, clock)
        self._digest = hmac.new(digest_key, digestmod="sha256")  # keyed once, copied for each request
        self.signing_key = signing_key  # of checkpoints
        self.keeper = Keeper(secrets)
        self._uses = uses
        self.reports: dict[str, Basis] = {}  # account → of when its credential report is
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._remaining: int | None = None  # records that the projections lack at the start, once that is known
        self.ready = False
        self.failed = asyncio.Event()
        self.statistics = self._writer.statistics
        self.commands: Counter[tuple[str, str]] = Counter()  # by action and what came of them
        self.commands_waiting = 0

    async def start(self, progress: Callable[[int], None] = lambda remaining: None) -> None:
        """Catch up the projections and begin to write. `progress` hears how many records are still to be read."""

        def told(remaining: int) -> None:
            self._remaining = remaining
            progress(remaining)

        try:
            await self._catch_up(told)
        except sqlite3.DatabaseError as error:
            if isinstance(error, LogError):  # the projections may be well
                raise
            logger.warning("projections.db is made anew: %s", error)
            self.projections.remake()
            await self._catch_up(told)
        await self.keeper.start(self._unnamed, await self.projections.read(issued_keys))
        self._tasks = [
            asyncio.create_task(self._writer.run(), name="writer"),
            asyncio.create_task(self.projector.run(), name="projector"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self._install_catalogue()
        self.ready = True

    async def _catch_up(self, progress: Callable[[int], None]) -> None:
        """Bring the projections to where the log is. What goes wrong is raised: a service that waits for it is none."""
        if not await self.projections.read(checkpoints):
            records = await size(self.log)
            await load(self.log, self.projections, lambda done: progress(records - done))
        progress(await self.projector.reconcile())
        await self.projector.catch_up(progress)

    @property
    def lag(self) -> int:
        """How many records are not projected yet, also at the start."""
        return self.projector.remaining if self.ready else self._remaining or 0

    async def check(self) -> None:
        """Return if the service can do all of its work. Raises ServiceUnavailable, saying what it cannot do and why.

        What can be read is answered all the same once `ready` is set.
        """
        if self._stopping or self.failed.is_set():
            raise ServiceUnavailable("The service is stopping.")
        if not self.ready:
            left = f": {self._remaining} records are still to be read into the projections" if self._remaining else ""
            raise ServiceUnavailable(f"The service is starting{left}.")
        try:
            async with asyncio.timeout(CHECK_SECONDS_MAX):
                await self._writer.check()
        except Unavailable as error:
            raise ServiceUnavailable(f"The ledger cannot be written: {error}. What it holds can be read.") from error
        except TimeoutError:
            raise ServiceUnavailable("The ledger cannot be written: the disk does not answer.") from None
        if self.projector.trouble is not None:
            raise ServiceUnavailable(f"The projections cannot be written: {self.projector.trouble}.")

    async def stop(self) -> None:
        """Finish what was accepted, then close the files."""
        self.ready, self._stopping = False, True
        self._writer.close()
        await asyncio.gather(*self._tasks[:1], return_exceptions=True)
        self.projector.close()  # after the writer, which publishes to the last
        await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        async with AsyncExitStack() as files:  # whatever goes wrong with one, the others are closed
            files.push_async_callback(self.log.close)
            files.push_async_callback(self.keeper.secrets.close)
            files.push_async_callback(self._uses.close)
            files.push_async_callback(self.projections.close)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Without its writer or its projector the service is none."""
        if not self._stopping:
            error = None if task.cancelled() else task.exception()
            logger.critical("the %s has ended", task.get_name(), exc_info=error)
            self.ready = False
            self.failed.set()

    async def caller(self, authorization: str, default_account: str) -> Caller:
        """Who asks, with `--auth off`: the user who was given the access key, or else what `unauthenticated` says.

        Raises InvalidClientTokenId for a key that was issued here and is inactive or deleted, and where the region in
        the header is in another partition than the account. An account without records is in that of the region;
        where the header has no region that is known, in the configured one.

        To be let in by a key that was issued here is a use of that key.
        """
        key, region, service = credential(authorization)
        partition = partition_of_region(region)
        account = self.keeper.issuers.get(key) if key is not None else None
        if key is not None and account is not None:
            state = self.accounts.present(account) or (await self.accounts.state(account))[0]
            user_id = access_keys.active_holder(state, key)
            if user_id is None or partition not in (None, state.world.partition):
                raise InvalidClientTokenId
            self._note_use(key, region, service)
            return Caller(account, Actor(id=user_id, arn=USER.arn(state, user_id), access_key_id=key))
        caller = unauthenticated(authorization, default_account, partition or self.world.partition)
        own = await self.accounts.partition(caller.account)
        if own is None or own == caller.partition:
            return caller
        if partition is not None:
            raise InvalidClientTokenId
        return unauthenticated(authorization, default_account, own)

    def _note_use(self, key: str, region: str, service: str) -> None:
        at, last = self._clock(), self._uses.latest.get(key)
        if last is None or last.at <= at:  # after the clock was set back, the later time stays
            self._uses.note(key, Use(at, _scope(region), _scope(service)))

    async def present(self, caller: Caller) -> State:
        """The caller's account as it is now."""
        state = self.accounts.present(caller.account) or (await self.accounts.state(caller.account))[0]
        return state if state.world.partition else Account(caller.account, self._world_now.within(caller.partition))

    def world_of(self, caller: Caller) -> World:
        """What the caller's account is read with at an instant."""
        return self.world.within(caller.partition)

    async def write(
        self, request: Request, action: str, write: Write, parameters: Mapping[str, Any]
    ) -> Answer[AnyEvent]:
        """Have a command decided and recorded. Raises the refusal, also one that was recorded earlier.

        A secret that it makes is durable before the command is decided; what it ends is deleted before this returns.
        """
        account, actor, secret = request.caller.account, request.caller.actor, write.secret
        command = asked_by(actor, write.command, parameters)
        if write.proof is not None:
            command = await self._proven(account, write.proof, command)
        made = None
        if secret is not None:
            made = await self.keeper.make(account, secret, parameters, new_id(secret.id_prefix))

        def decide(state: Draft, moment: Moment) -> list[Any]:
            return write.decide(state, command, moment if made is None else made.given(moment))

        told = _told(parameters)
        try:
            submitted = self._submit(request, action, decide, actor, parameters, told)
            answer = await self._counted(action, submitted)
        except ServiceUnavailable:  # an event may name what was made
            raise
        except Exception:  # it was refused or could not be decided, and so was not written
            await self.keeper.settle((), made)
            raise
        await self.keeper.settle(answer.records, made)
        return answer

    async def _proven(self, account: str, proof: Proof, command: Any) -> Any:
        """The command, told which secret the caller was found to know, if it knows it."""
        state, _ = await self.accounts.state(account)
        secret_id = proof.of(state, command)
        kept = await self.keeper.read(account, secret_id) if secret_id is not None else None
        if kept is None or not await asyncio.to_thread(proof.matches, proof.given(command), kept):
            return command
        return msgspec.structs.replace(command, proven=secret_id)

    async def restore(
        self,
        request: Request,
        decide: Callable[[Draft, Moment], list[Any]],
        *,
        asked: Mapping[str, Any],
        told: Mapping[str, Any],
        basis: Basis,
    ) -> Answer[AnyEvent]:
        """Have a user restored to what it was at the basis, as `write` does: `RestoreUser` by source `restore`.

        A repeat must have `asked` for the same; `told` is what the record of an attempt tells of it.
        """
        actor = msgspec.structs.replace(request.caller.actor, source="restore")
        restored = Restored(position=basis.position, instant=basis.instant)
        submitting = self._submit(request, "RestoreUser", decide, actor, asked, told, restored)
        return await self._counted("RestoreUser", submitting)

    async def _counted(self, action: str, submitting: Coroutine[Any, Any, Answer[AnyEvent]]) -> Answer[AnyEvent]:
        """Keep count of what comes of a command."""
        outcome = "failed"
        self.commands_waiting += 1
        try:
            answer = await submitting
            outcome = "repeated" if answer.replayed else answer.records[0].outcome
        except (ServiceUnavailable, LogError):
            outcome = "unavailable"
            raise
        except IamError:
            outcome = "refused"
            raise
        finally:
            self.commands_waiting -= 1
            self.commands[action, outcome] += 1
        return answer

    async def _submit(
        self,
        request: Request,
        action: str,
        decide: Callable[[Draft, Moment], list[Any]],
        actor: Actor,
        asked: Mapping[str, Any],
        told: Mapping[str, Any],
        restored_from: Restored | None = None,
    ) -> Answer[AnyEvent]:
        """What `write` and `restore` share, from the command to its first result or its refusal."""
        world = self._world_now.within(request.caller.partition)  # it becomes that of the account

        def decide_within(state: Draft, at: datetime) -> list[Any]:
            if state.world.partition not in ("", world.partition):
                raise InvalidClientTokenId  # another call has put the account elsewhere since this caller was let in
            before, state.world = state.world, world
            try:
                return decide(state, Moment(at, new_id))
            except Exception:  # a refusal is no record where there is none yet, and puts the account nowhere
                state.world = before
                raise

        try:
            answer = await self._writer.submit(
                Command(
                    account=request.caller.account,
                    action=action,
                    decide=decide_within,
                    parameters=told,
                    actor=actor,
                    command_id=request.command_id or request.request_id,
                    request_digest=self._digest_of(action, asked, actor),
                    request_id=request.request_id,
                    source_ip=request.source_ip,
                    user_agent=request.user_agent,
                    restored_from=restored_from,
                )
            )
        except Unavailable as error:
            raise ServiceUnavailable(f"Nothing is known to have changed: {error}. The call may be repeated.") from error
        except UnknownEvent as error:
            raise _of_newer_program(error) from error
        except CommandMismatch as error:
            raise IdempotentParameterMismatch(
                f"The command id {error} was used before, with other parameters or by another caller."
            ) from error
        attempt = answer.records[0].attempt
        if attempt is not None and attempt.code is not None:
            raise refusal(attempt.code, attempt.message or "")
        return answer

    async def resolve(self, account: str, instant: str | None, name: str = "at") -> Basis:
        """Where an instant is on the account's ledger, for good: asked again, it is the same. None is now.

        Raises ValidationError, naming the parameter, for what is no instant of the past.
        """
        now = self._clock()
        asked = None if instant is None else parse_instant(instant, name)
        await self._settle(account, asked, now)
        basis = await resolve(self.log, account, asked, now)
        await self._settle_until(account, basis.instant)  # the record may be on the log, and not published yet
        return basis

    async def ask(
        self, caller: Caller, instant: str | None, question: Callable[[InstantState], T], *, wide: bool = False
    ) -> tuple[T, Basis]:
        """What a question of the account's state is answered as of an instant, and the basis of that answer.

        The same as `resolve` and `read_at`, in one step where the projections know the ledger up to its head. A wide
        question goes over many things; it is asked on a reading thread, so that it holds up nobody.
        """
        account = caller.account
        if not self.projector.knows(account):
            basis = await self.resolve(account, instant)
            return await self.read_at(caller, question, basis), basis
        now = self._clock()
        asked = None if instant is None else parse_instant(instant)
        await self._settle(account, asked, now)
        if not self.projector.knows(account):  # what was in flight is to be projected first
            return await self.ask(caller, instant, question, wide=wide)

        world = self.world_of(caller)

        def answer(connection: sqlite3.Connection) -> tuple[T, Basis]:
            basis = resolve_projected(connection, account, asked, now)
            return question(InstantState(connection, account, world, basis.position)), basis

        by_position = asked is not None and asked.position is not None
        try:
            answered = await self.projections.read(answer) if wide else self.projections.look(answer)
        except ValidationError:
            if not by_position:
                raise
            basis = await self.resolve(account, instant)  # the log may have it by now
            return await self.read_at(caller, question, basis), basis
        if by_position:  # what is recovered from a fault may be projected before it is published
            await self._settle_until(account, answered[1].instant)
        return answered

    async def _settle(self, account: str, asked: Instant | None, now: datetime) -> None:
        """Make the account's past final up to the instant asked for. ServiceUnavailable where that cannot be."""
        if asked is None or asked.position is None:
            await self._settle_until(account, now if asked is None or asked.at is None else min(asked.at, now))

    async def _settle_until(self, account: str, at: datetime) -> None:
        try:
            await self._writer.settle(account, at)
        except Unavailable as error:
            raise ServiceUnavailable(f"The past is not final at this moment: {error}. Ask again.") from error

    async def caught_up(self, account: str, position: int) -> None:
        """Return when history knows the account's ledger up to the position. ServiceUnavailable if that takes long."""
        try:
            async with asyncio.timeout(CAUGHT_UP_SECONDS_MAX):
                await self.projector.caught_up(account, position)
        except UnknownEvent as error:
            raise _of_newer_program(error) from error
        except TimeoutError:
            raise ServiceUnavailable("History is behind the log. Ask again; the service's log says why.") from None

    async def read_at(self, caller: Caller, question: Callable[..., T], *bases: Basis, with_uses: bool = False) -> T:
        """Ask a question, on a reading thread, of the account's states as of these bases, one argument for each.

        `with_uses` tells it the last uses of keys as they are now, so that the answer is not final.
        """
        account = caller.account
        world = (self._world_now if with_uses else self.world).within(caller.partition)
        await self.caught_up(account, max(basis.position for basis in bases))
        return await self.projections.read(
            lambda connection: question(*(InstantState(connection, account, world, basis.position) for basis in bases))
        )

    async def find_record(self, account: str, which: str) -> Row | None:
        """The record with this event id or position, if the account has it."""
        if which.isascii() and which.isdigit() and len(which) < 19:
            rows = await self.log.get(account, [int(which)])
        elif (recorded_at := id_time(which)) is not None:
            rows = await self.log.get(account, [await self.log.position_at(account, recorded_at)])
            rows = [row for row in rows if open_envelope(row).id == which.lower()]
        else:
            return None
        if not rows:
            return None
        await self._settle_until(account, from_microseconds(rows[0].recorded_at))
        return rows[0]

    def _digest_of(self, action: str, parameters: Mapping[str, Any], actor: Actor) -> str:
        """What a repeat must share with the first call. Keyed, so that nobody can guess the parameters from it."""
        digest = self._digest.copy()
        digest.update(_canonical((action, parameters, actor.id)))
        return digest.hexdigest()

    async def _unnamed(self, account: str, secret_ids: Sequence[str]) -> Sequence[str]:
        """Those of these secrets that the account's state does not name; none where that is not known to the last."""
        if not self.projector.knows(account):
            return ()

        def unnamed(connection: sqlite3.Connection) -> Sequence[str]:
            position = resolve_projected(connection, account, None, datetime.now(UTC)).position
            named = InstantState(connection, account, self.world, position).members(relations.SECRETS, "")
            return [secret_id for secret_id in secret_ids if secret_id not in named]

        return await self.projections.read(unnamed)

    async def _install_catalogue(self) -> None:
        arn = root_arn(SOURCE_PARTITION, policies.AWS)  # the release is of that one, wherever the service is
        caller = Caller(policies.AWS, Actor(id=policies.AWS, arn=arn, source="service"))
        state, _ = await self.accounts.state(policies.AWS)
        if policies.install_catalogue(state, policies.InstallCatalogue(), Moment(datetime.min, new_id)):
            request = Request(caller=caller, request_id="", command_id=None, source_ip="", user_agent="iam-ledger")
            request = msgspec.structs.replace(request, command_id=f"catalogue-{self.world.catalogue.digest}")
            await self.write(
                request, "InstallCatalogue", Write(policies.InstallCatalogue, policies.install_catalogue), {}
            )


def _of_newer_program(error: UnknownEvent) -> ServiceUnavailable:
    return ServiceUnavailable(f"The account is read-only for this version of the program: {error}")


def new_id(prefix: str) -> str:
    """An id in AWS's form that nobody has used: four letters, then 17 of A-Z and 2-7, 80 bits of chance and more.

    An access key's has 16.
    """
    return prefix + b32encode(os.urandom(11))[: 16 if prefix == access_keys.ID_PREFIX else 17].decode()


def _scope(name: str) -> str:
    """A region or service as a header names it, if it looks like one: reports tell it to spreadsheets."""
    return name if _SCOPE.fullmatch(name) else NONE


def _told(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters as an attempt records them: without secrets.

    A long document is worth its length only, and so is any certificate or key, and what may hold one.
    """
    if any(name in parameters for name in SECRETS):
        parameters = {name: value for name, value in parameters.items() if name not in SECRETS}
    long = [name for name in DOCUMENTS if len(parameters.get(name, "")) > DOCUMENT_CHARACTERS_IN_ATTEMPT]
    long += [name for name in KEY_TEXTS if name in parameters]
    return {**parameters, **{name: f"({len(parameters[name])} characters)" for name in long}} if long else parameters
