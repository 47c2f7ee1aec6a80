"""SAML providers."""

from lives import Life, Questions, tags


def metadata(number: int) -> str:
    """A metadata document, different for each number."""
    entity = (
        '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">'
        '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></EntityDescriptor>'
    )
    return f"{entity}<!-- {number:01000} -->"


def live(account: str) -> Life:
    """Each of their write actions, keys that come and go, and a provider that is made again."""
    okta = {"SAMLProviderArn": _arn(account, "okta")}
    yield "CreateSAMLProvider", {"Name": "okta", "SAMLMetadataDocument": metadata(1), **tags("b=1", "B=2")}
    yield "CreateSAMLProvider", {"Name": "adfs", "SAMLMetadataDocument": metadata(2), "AddPrivateKey": "a key"}
    yield "UpdateSAMLProvider", {**okta, "AddPrivateKey": "first"}
    yield "UpdateSAMLProvider", {**okta, "AssertionEncryptionMode": "Required", "SAMLMetadataDocument": metadata(3)}
    yield "TagSAMLProvider", {**okta, **tags("b=3", "c=4")}
    yield "UntagSAMLProvider", {**okta, "TagKeys.member.1": "B"}
    yield "DeleteSAMLProvider", okta
    yield "CreateSAMLProvider", {"Name": "okta", "SAMLMetadataDocument": metadata(4)}


def _arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:saml-provider/{name}"


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    providers = [{"SAMLProviderArn": _arn(account, name)} for name in ("okta", "adfs")]
    return {
        "GetSAMLProvider": providers,
        "ListSAMLProviders": [{}],
        "ListSAMLProviderTags": [*providers, {**providers[0], "MaxItems": "1"}],
    }
