"""The service of the tests: each request writes a row and reads it back. ``python -c`` runs it.

What the environment gives it is what TAP's task definition does: ``PG*`` and ``DB_SECRET_ARN``.
"""

import http.server
import os
import ssl
import sys

import pg8000.native

VERSION = os.environ.get("VERSION", "1")


def visits() -> int:
    """Write a row, and count."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # sslmode=require
    connection = pg8000.native.Connection(
        os.environ["PGUSER"],
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        database=os.environ["PGDATABASE"],
        password=os.environ["PGPASSWORD"],
        ssl_context=False if os.environ["PGSSLMODE"] == "disable" else context,
        timeout=float(os.environ.get("PGCONNECT_TIMEOUT", "3")),
    )
    try:
        connection.run("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
        connection.run("INSERT INTO visits DEFAULT VALUES")
        rows = connection.run("SELECT count(*) FROM visits")
        return rows[0][0] if rows else 0
    finally:
        connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    """``/`` says which version this is, ``/visits`` asks the database."""

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        """Answer."""
        try:
            answer = 200, f"visits={visits()}" if self.path == "/visits" else VERSION
            if self.path == "/broken":
                answer = 404, "no such page"
        except Exception as error:  # pylint: disable=broad-exception-caught
            answer = 500, f"{type(error).__name__}: {error}"
        body = answer[1].encode()
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print(f"version {VERSION} as {os.getuid()}", flush=True)
    port = int(sys.argv[1] if len(sys.argv) > 1 else "8080")
    http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()
