"""The messenger for e-mail against a real SMTP server, in the clear and over STARTTLS."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError

from dialnexa_pipeline.alerts import EmailConfig, Item, MailMessenger, Message, MessengerFailed
from tests.inboxes import Mailbox, smtp_server

MESSAGE = Message(
    "DialNexa: Sync loans is held",
    (
        Item(
            "Sync loans is held: too many.",
            purpose="If it is right, approve it once",
            command="dialnexa approve loans",
            link="http://d/runs/1",
        ),
    ),
)


def config(port: int, **more: Any) -> EmailConfig:
    return EmailConfig.model_validate(
        {
            "sender": "dagster@example.com",
            "to": ["calls@example.com", "night@example.com"],
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_type": "PLAIN",
            **more,
        }
    )


def test_a_mail_has_title_sentence_command_and_link(mailbox: Mailbox) -> None:
    MailMessenger(config(mailbox.port), None).tell(MESSAGE)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "DialNexa: Sync loans is held"
    assert mail["To"] == "calls@example.com, night@example.com"
    assert mail.get_content().splitlines() == [
        "- Sync loans is held: too many.",
        "    If it is right, approve it once: dialnexa approve loans",
        "    http://d/runs/1",
    ]


def test_one_refused_address_does_not_keep_the_mail_from_the_others(mailbox: Mailbox) -> None:
    mailbox.refuse_address = "night@example.com"
    MailMessenger(config(mailbox.port), None).tell(MESSAGE)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ({"refuse_message": True}, "answered 451 to the message"),
        ({"refuse_address": "calls@example.com"}, "refused every address of email.to"),
    ],
)
def test_a_server_that_refuses_is_told_in_a_sentence(
    mailbox: Mailbox, refusal: dict[str, Any], said: str
) -> None:
    for name, value in refusal.items():
        setattr(mailbox, name, value)
    with pytest.raises(MessengerFailed, match=said):
        MailMessenger(config(mailbox.port, to=["calls@example.com"]), None).tell(MESSAGE)


def test_a_server_that_is_away_or_offers_no_tls_is_told_in_a_sentence(mailbox: Mailbox) -> None:
    with pytest.raises(MessengerFailed, match="could not be reached: ConnectionRefusedError"):
        MailMessenger(config(1), None).tell(MESSAGE)
    with pytest.raises(MessengerFailed, match="choose another smtp_type"):
        MailMessenger(config(mailbox.port, smtp_type="STARTTLS"), None).tell(MESSAGE)
    assert mailbox.mails == []


def test_a_password_goes_only_over_tls_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = _certificate(tmp_path)
    with smtp_server(tls=context, login=("dagster", "s3cret")) as mailbox:
        wanted = config(mailbox.port, smtp_type="STARTTLS", smtp_user="dagster")
        with pytest.raises(MessengerFailed, match="does not speak STARTTLS as it should"):
            MailMessenger(wanted, SecretStr("s3cret")).tell(MESSAGE)

        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        with pytest.raises(MessengerFailed, match="check smtp_user and DIALNEXA_SMTP_PASSWORD"):
            MailMessenger(wanted, SecretStr("wrong")).tell(MESSAGE)
        assert mailbox.mails == []
        MailMessenger(wanted, SecretStr("s3cret")).tell(MESSAGE)
        assert len(mailbox.mails) == 1


def test_a_login_in_the_clear_is_refused_by_the_configuration() -> None:
    with pytest.raises(ValidationError, match="not encrypted"):
        config(25, smtp_user="dagster")
    with pytest.raises(ValidationError, match="no e-mail address"):
        config(25, to=["calls"])


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public
