"""A certificate authority of the test's own, and what can be wrong with a certificate and its key."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Files:
    """PEM files: who is to be trusted, a chain, its key, both in one, the key locked, and the key of another one."""

    authority: Path
    chain: Path
    key: Path
    both: Path
    locked: Path
    other_key: Path
    text: Path


def make_files(folder: Path) -> Files:
    authority = trustme.CA()
    ours, other = authority.issue_cert("localhost", "127.0.0.1"), authority.issue_cert("example.test")
    files = Files(*(folder / f"{name}.pem" for name in Files.__annotations__))
    authority.cert_pem.write_to_path(files.authority)
    ours.cert_chain_pems[0].write_to_path(files.chain)
    ours.private_key_pem.write_to_path(files.key)
    ours.private_key_and_cert_chain_pem.write_to_path(files.both)
    other.private_key_pem.write_to_path(files.other_key)
    key = load_pem_private_key(ours.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    files.locked.write_bytes(locked)
    files.text.write_text("not a certificate\n")
    return files
