"""The messenger for e-mail: one SMTP connection a message."""

import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from pydantic import SecretStr

from dialnexa_pipeline.alerts.config import EmailConfig
from dialnexa_pipeline.alerts.messages import Message, plain_text
from dialnexa_pipeline.alerts.messengers import MessengerFailed

_log = logging.getLogger(__name__)
# A tick of a sensor has a minute in all.
_SECONDS = 10.0


class MailMessenger:
    """Sends plain text, so that no sentence is ever read as markup."""

    def __init__(self, config: EmailConfig, password: SecretStr | None) -> None:
        self._config = config
        self._password = password

    @property
    def name(self) -> str:
        return f"e-mail to {', '.join(self._config.to)}"

    def tell(self, message: Message) -> None:
        """Deliver to every address, or raise.

        Raises:
            MessengerFailed: the server is away, refuses the login or refuses an address.
        """
        where = f"{self._config.smtp_host}:{self._config.port}"
        try:
            with self._connection() as server:
                refused = server.send_message(self._written(message))
        except smtplib.SMTPAuthenticationError as error:
            raise MessengerFailed(
                f"{where} refused the login of {self._config.smtp_user} ({error.smtp_code}); check "
                f"smtp_user and {self._config.password_env}."
            ) from None
        except smtplib.SMTPRecipientsRefused:
            raise MessengerFailed(
                f"{where} refused every address of email.to; check them, and whether the server "
                "relays for you."
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise MessengerFailed(
                f"{where} does not offer what smtp_type {self._config.smtp_type} needs; choose "
                "another smtp_type."
            ) from None
        except smtplib.SMTPResponseException as error:
            raise MessengerFailed(f"{where} answered {error.smtp_code} to the message.") from None
        except ssl.SSLError as error:
            raise MessengerFailed(
                f"{where} does not speak {self._config.smtp_type} as it should: {error.reason}."
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MessengerFailed(
                f"{where} could not be reached: {type(error).__name__}; check smtp_host and "
                "smtp_port."
            ) from None
        if refused:
            # The others have it: no failure, which would tell them again at each tick.
            count = f"{len(refused)} of {len(self._config.to)}"
            _log.warning("%s refused %s addresses of email.to", where, count)

    def _connection(self) -> smtplib.SMTP:
        config = self._config
        if config.smtp_type == "SSL":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.smtp_host, config.port, timeout=_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(config.smtp_host, config.port, timeout=_SECONDS)
        try:
            if config.smtp_type == "STARTTLS":
                server.starttls(context=ssl.create_default_context())
            if config.smtp_user is not None and self._password is not None:
                server.login(config.smtp_user, self._password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._config.sender
        mail["To"] = ", ".join(self._config.to)
        mail["Subject"] = message.title
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=self._config.sender.partition("@")[2])
        mail.set_content(plain_text(message))
        return mail
