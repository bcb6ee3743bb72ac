"""The harness of the Python suites: tests are functions, counted one by one.

The last line that it prints is `N passed, N failed`.
"""

import asyncio
import base64
import inspect
import os
import random
import sys
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import HttpResponseError

ACCOUNT = os.environ.get("AZ_ACCOUNT", "devstoreaccount1")
KEY = os.environ.get(
    "AZ_KEY",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
BLOB = os.environ.get("AZ_BLOB", f"http://127.0.0.1:10000/{ACCOUNT}")
CREDENTIAL = {"account_name": ACCOUNT, "account_key": KEY}
RUN = "%08x" % random.SystemRandom().getrandbits(32)

TESTS = []


def test(function):
    """Registers a test; its name is the function's, in words."""
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def block_id(number):
    """The id of a block: all ids of a blob have the same length."""
    return base64.b64encode(b"%06d" % number).decode()


def hours_from_now(hours):
    """A moment `hours` ahead of now, in UTC."""
    return datetime.now(timezone.utc) + timedelta(hours=hours)


def pattern(length, seed=1):
    """`length` bytes that look random and are the same for the same seed."""
    return random.Random(seed).randbytes(length)


def equal(found, wanted, what="value"):
    """Fails unless both are equal."""
    if found != wanted:
        raise AssertionError(f"{what}: found {str(found)[:300]!r}, wanted {str(wanted)[:300]!r}")


def _judge(error, code, status):
    found = getattr(error, "error_code", None)
    found = getattr(found, "value", found)
    if found is None and error.response is not None:
        found = error.response.headers.get("x-ms-error-code")
    if status is not None:
        equal(error.status_code, status, f"status (code {found})")
    if code is not None:
        equal(found, code, "error code")


def refuses(status, code, call, *arguments, **options):
    """Fails unless the call is refused with this status and error code (None: any)."""
    try:
        call(*arguments, **options)
    except HttpResponseError as error:
        _judge(error, code, status)
        return
    raise AssertionError(f"nothing was refused, wanted {status} {code}")


async def refuses_async(status, code, awaitable):
    """As `refuses`, for the asynchronous half."""
    try:
        await awaitable
    except HttpResponseError as error:
        _judge(error, code, status)
        return
    raise AssertionError(f"nothing was refused, wanted {status} {code}")


def raw(method, url, body=None, headers=None):
    """A request without an SDK: status, body and headers of the answer."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def run_all(only):
    """Runs the tests whose names contain `only`; gives the exit status."""
    passed = failed = 0
    for name, function in TESTS:
        if only not in name:
            continue
        begun = time.monotonic()
        try:
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except Exception as error:  # noqa: BLE001 - any failure is a failed test
            failed += 1
            message = f"{type(error).__name__}: {error}".replace("\n", " | ")[:500]
            print(f"FAIL {name} ({time.monotonic() - begun:.2f}s): {message}", flush=True)
            if os.environ.get("TRACE"):
                traceback.print_exc()
        else:
            passed += 1
            print(f"PASS {name} ({time.monotonic() - begun:.2f}s)", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


def main():
    """Runs the registered tests that the command line picks, and exits."""
    sys.exit(run_all(sys.argv[1] if len(sys.argv) > 1 else ""))
