"""OpenID Connect providers."""

from lives import Life, Questions, tags


def live(account: str) -> Life:
    """Each of their write actions, and a provider that is made again."""
    idp = {"OpenIDConnectProviderArn": _arn(account, "idp.example.com/realm")}
    created = {
        "Url": "https://idp.example.com/realm",
        "ClientIDList.member.1": "web",
        "ClientIDList.member.2": "app",
        "ThumbprintList.member.1": "A" * 40,
        **tags("b=1", "B=2"),
    }
    yield "CreateOpenIDConnectProvider", created
    yield "CreateOpenIDConnectProvider", {"Url": "https://other.example.com"}
    yield "AddClientIDToOpenIDConnectProvider", {**idp, "ClientID": "cli"}
    yield "RemoveClientIDFromOpenIDConnectProvider", {**idp, "ClientID": "web"}
    yield "AddClientIDToOpenIDConnectProvider", {**idp, "ClientID": "web"}
    yield "UpdateOpenIDConnectProviderThumbprint", {**idp, "ThumbprintList.member.1": "b" * 40}
    yield "TagOpenIDConnectProvider", {**idp, **tags("b=3", "c=4")}
    yield "UntagOpenIDConnectProvider", {**idp, "TagKeys.member.1": "B"}
    yield "DeleteOpenIDConnectProvider", idp
    yield "CreateOpenIDConnectProvider", created


def _arn(account: str, issuer: str) -> str:
    return f"arn:aws:iam::{account}:oidc-provider/{issuer}"


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    issuers = ("idp.example.com/realm", "other.example.com")
    providers = [{"OpenIDConnectProviderArn": _arn(account, issuer)} for issuer in issuers]
    return {
        "GetOpenIDConnectProvider": providers,
        "ListOpenIDConnectProviders": [{}],
        "ListOpenIDConnectProviderTags": [*providers, {**providers[0], "MaxItems": "1"}],
    }
