"""`python -m faults._fuzzer PARSER [libFuzzer's arguments]`: one parser under atheris, which never returns."""

import sys

import atheris

with atheris.instrument_imports(include=["api", "iam", "eventstore", "projections"]):
    from faults.parsers import PARSERS


def main() -> None:
    """Let atheris find inputs that make the parser raise anything but its refusals."""
    parser = PARSERS[sys.argv.pop(1)]

    def read(data: bytes) -> None:
        try:
            parser.read(data)
        except parser.refusals:
            return

    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
