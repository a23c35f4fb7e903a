"""The server in the place of an RDS instance. Each test has what the one before left."""

import dataclasses
import os
import ssl
import tempfile
from contextlib import closing
from pathlib import Path

import pg8000.native
import pytest
from cryptography import x509
from pg8000.exceptions import DatabaseError, InterfaceError

from lib.errors import TapError
from ops.emulator.dataplane.postgresql import Server, Settings, fetched, package

ADDRESS = "db.abc.us-east-1.rds.amazonaws.com"
SETTINGS = Settings(
    username="app_admin",
    password="it's $e\\cret",  # pragma: allowlist secret
    database="app",
    address=ADDRESS,
    parameters={
        "rds.force_ssl": "1",
        "shared_preload_libraries": "pg_stat_statements,pgaudit",
        "pgaudit.log": "ddl,role",
        "max_connections": "{DBInstanceClassMemory/9531392}",
        "log_min_duration_statement": "1000",
        "port": "1",
    },
)


@pytest.fixture(scope="module", name="programs")
def _programs():
    try:
        return fetched("14")
    except TapError as error:
        return pytest.skip("; ".join(error.lines()))


@pytest.fixture(scope="module", name="server")
def _server(programs):
    with tempfile.TemporaryDirectory(prefix="tap-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = Server(programs, folder / "db")
        server.create(SETTINGS)
        yield server
        server.stop()


def ask(server, query, *, password=SETTINGS.password, tls=True, user=SETTINGS.username):
    """The first column of the first row."""
    context = ssl.create_default_context(cafile=str(server.authority)) if tls else False
    with closing(
        pg8000.native.Connection(
            user,
            host="localhost",  # in the certificate, which is verified
            port=server.port,
            database="app",
            password=password,
            ssl_context=context,
        )
    ) as connection:
        rows = connection.run(query)
        return rows[0][0] if rows else None


def test_it_is_postgresql_14_over_tls_that_can_be_verified(server):
    assert str(ask(server, "SHOW server_version")).startswith("14.")
    assert ask(server, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    certificate = x509.load_pem_x509_certificate(
        (server.authority.parent / "data" / "server.crt").read_bytes()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ADDRESS in names.get_values_for_type(x509.DNSName)  # for sslmode=verify-full


def test_without_tls_or_with_another_password_nobody_gets_in(server):
    with pytest.raises(DatabaseError, match="no encryption"):
        ask(server, "SELECT 1", tls=False)
    with pytest.raises(DatabaseError, match="password authentication failed"):
        ask(server, "SELECT 1", password="another")  # pragma: allowlist secret
    with pytest.raises(DatabaseError, match="no pg_hba.conf entry|authentication failed"):
        ask(server, "SELECT 1", user="rdsadmin")


def test_the_master_user_is_no_superuser(server):
    assert ask(server, "SHOW is_superuser") == "off"
    assert ask(server, "SELECT pg_has_role('rds_superuser', 'member')")


def test_it_has_the_parameters_that_postgresql_knows(server):
    assert ask(server, "SHOW log_min_duration_statement") == "1s"
    assert ask(server, "SHOW pgaudit.log") == "ddl,role"
    assert ask(server, "SHOW shared_preload_libraries") == "pg_stat_statements"
    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"


def test_a_changed_password_holds_at_once(server):
    server.change(dataclasses.replace(SETTINGS, password="another"))  # pragma: allowlist secret
    assert ask(server, "SELECT 1", password="another") == 1  # pragma: allowlist secret
    with pytest.raises(DatabaseError):
        ask(server, "SELECT 1")
    server.change(SETTINGS)


def test_a_parameter_holds_at_once_or_waits_for_a_restart(server):
    changed = {"log_min_duration_statement": "7", "max_connections": "50", "rds.force_ssl": "0"}
    wanted = dataclasses.replace(SETTINGS, parameters={**SETTINGS.parameters, **changed})
    assert not server.pending()
    server.change(wanted)
    assert ask(server, "SHOW log_min_duration_statement") == "7ms"
    assert ask(server, "SHOW max_connections") == "100"
    assert ask(server, "SELECT 1", tls=False) == 1
    assert server.pending()
    server.stop()
    assert not server.alive()
    with pytest.raises((InterfaceError, OSError)):
        ask(server, "SELECT 1")
    server.start(wanted)
    assert ask(server, "SHOW max_connections") == "50"
    assert not server.pending()


def test_a_broken_parameter_is_told(server):
    server.stop()
    broken = dataclasses.replace(SETTINGS, parameters={"work_mem": "plenty"})
    with pytest.raises(TapError, match="did not start"):
        server.start(broken)
    server.start(SETTINGS)


def test_a_version_that_is_not_locked_is_told(tmp_path):
    with pytest.raises(TapError, match="no package of PostgreSQL 9 is locked") as raised:
        fetched("9", tmp_path)
    assert "14" in raised.value.hint


def test_a_registry_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(TapError, match="PostgreSQL 14 can't be had"):
        fetched("14", tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(TapError, match="there is no npm"):
        fetched("14", tmp_path / "kept")


def test_what_is_there_is_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "_fetch", lambda *_: pytest.fail("fetched"))
    (tmp_path / "postgresql-14").mkdir()
    assert fetched("14", tmp_path).parts[-2:][1] == "native"
