"""Server certificates."""

from material import authority, certificate, private_key

from lives import Life, Questions, tags


def live(account: str) -> Life:
    """Each of their write actions, and a name that is used again."""
    chain = authority("root", "root")
    first = {"CertificateBody": certificate(1), "PrivateKey": private_key(1)}
    yield "UploadServerCertificate", {"ServerCertificateName": "Shop", "Path": "/web/", **first, **tags("Team=red")}
    second = {"CertificateBody": certificate(2), "PrivateKey": private_key(2), "CertificateChain": chain}
    yield "UploadServerCertificate", {"ServerCertificateName": "blog", **second}
    yield "TagServerCertificate", {"ServerCertificateName": "shop", **tags("TEAM=blue", "cost=1")}
    yield "UntagServerCertificate", {"ServerCertificateName": "SHOP", "TagKeys.member.1": "cost"}
    yield "UpdateServerCertificate", {"ServerCertificateName": "blog", "NewPath": "/web/"}
    yield "UpdateServerCertificate", {"ServerCertificateName": "blog", "NewServerCertificateName": "news"}
    yield "DeleteServerCertificate", {"ServerCertificateName": "shop"}
    yield "UploadServerCertificate", {"ServerCertificateName": "blog", **first}
    yield "DeleteServerCertificate", {"ServerCertificateName": "NEWS"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    certificates = [{"ServerCertificateName": name} for name in ("shop", "BLOG", "news")]
    return {
        "GetServerCertificate": certificates,
        "ListServerCertificates": [{}, {"PathPrefix": "/web/"}, {"MaxItems": "1"}],
        "ListServerCertificateTags": certificates[:2],
    }
