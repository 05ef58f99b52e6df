"""The simulator's HTTP server: one event loop, all accounts, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.account import ApiError
from fleetpoll.simulator.accounts import Accounts
from fleetpoll.simulator.config import Operation
from fleetpoll.simulator.credentials import caller_of
from fleetpoll.simulator.faults import CARRIED_OUT, Delivery, Spoilt, not_let_in, said
from fleetpoll.simulator.operations import VERBS
from fleetpoll.simulator.orders import PREFIX, obey
from fleetpoll.simulator.sts import answer_form, failure_in_xml
from fleetpoll.simulator.wire import HEAD_MAX, NotHttp, Response, read_request, write_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpoll.simulator.account import Account
    from fleetpoll.simulator.config import Fault, SimulatorConfig
    from fleetpoll.simulator.credentials import Caller
    from fleetpoll.simulator.wire import Request

PATHS = {operation.path: operation for operation in Operation}
log = logging.getLogger(__name__)


class Server:
    """Answers the requests of all connections, each from the account of whoever asks."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._conversations: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Converse with a new connection; being told to hang up is a good end of it."""
        conversation = asyncio.ensure_future(self.converse(reader, writer))
        self._conversations.add(conversation)
        await asyncio.wait({conversation})
        self._conversations.discard(conversation)

    async def hang_up(self) -> None:
        """End all conversations. Clients keep their connections open for as long as we let them."""
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, in order, until either side has enough."""
        delivery, going_on = Delivery(reader, writer, self._accounts.config.slow_s), True
        try:
            while going_on and (request := await read_request(reader, writer)) is not None:
                answer = await self.answer(request)
                if isinstance(answer, Spoilt):
                    going_on = await delivery.deliver(answer, keep_alive=request.keep_alive)
                else:
                    write_response(writer, answer, keep_alive=request.keep_alive)
                    going_on = request.keep_alive
                await writer.drain()
        except NotHttp as error:
            write_response(writer, failure(ApiError(400, "SerializationException", str(error))), keep_alive=False)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away: its own affair
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, request: Request) -> Response | Spoilt:
        """Answer one request; a fault of ours is a 500, as AWS would have it."""
        if request.path.startswith(PREFIX):
            return await obey(self._accounts, request)
        operation = PATHS.get(request.path) if request.method == "POST" else None
        if operation is None:
            return failure(ApiError(404, "UnknownOperationException", f"no such operation: {request.path}"))
        caller = caller_of(request.authorization, request.token)
        call = Call(self._accounts.of(caller), caller, operation, request.body)
        try:
            return await call.perform()
        except ApiError as error:
            return call.failure(error)
        except Exception:
            log.exception("the simulator failed to answer %s", operation)
            return call.failure(ApiError(500, "ServerException", "the simulator failed, see its log"))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation."""

    account: Account
    caller: Caller
    operation: Operation
    body: bytes

    async def perform(self) -> Response | Spoilt:
        """Know the caller, take a token, take time, do it; or meet a fault."""
        account, operation, config = self.account, self.operation, self.account.config
        if (trouble := self.caller.trouble(account.clock())) is not None:
            account.turn_away(operation, trouble)
            raise not_let_in(trouble)
        asked_ms = account.admit(operation)
        fault, calls = account.fault(operation), account.witness.calls[operation]
        if config.latency_ms or config.latency_jitter_ms:
            await asyncio.sleep((config.latency_ms + random.random() * config.latency_jitter_ms) / 1000)
        if fault is not None:
            return self._spoil(fault, asked_ms)
        try:
            answer = self._carry_out(asked_ms)
        except Exception:
            calls.errors += 1
            raise
        calls.accept(asked_ms)
        return answer

    def failure(self, error: ApiError) -> Response:
        """An error in the form of the service that is called."""
        return failure_in_xml(error) if self.operation is Operation.STS else failure(error)

    def _carry_out(self, asked_ms: int) -> Response:
        if self.operation is Operation.STS:
            return answer_form(self.account, self.caller, self.body)
        return Response(VERBS[self.operation](self.account, self.body, asked_ms))

    def _spoil(self, fault: Fault, asked_ms: int) -> Spoilt:
        """The answer of a call that meets a fault. It shows nothing before it has arrived."""
        account = self.account
        if fault not in CARRIED_OUT:
            return Spoilt(said(fault, self.failure), fault, lambda: None)
        with account.witness.withheld() as told:
            try:
                response = self._carry_out(asked_ms)
            except ApiError as error:
                response = self.failure(error)
        return Spoilt(response, fault, lambda: account.witness.arrived(told, account.clock()))


def failure(error: ApiError) -> Response:
    """An error in the form that botocore takes code and message from."""
    return Response(msgspec.json.encode({"message": error.message}), error.status, error.code, error.retry_after_ms)


async def serve(
    accounts: Accounts, host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until cancelled; `ready` is called with the URL once connections are taken."""
    switchboard = Server(accounts)
    try:
        server = await asyncio.start_server(switchboard.take, host, port, limit=HEAD_MAX, backlog=1024)
    except (OSError, OverflowError, ValueError) as error:  # the last two: no port, no name
        words = getattr(error, "strerror", None) or error
        raise SettingsError(f"the simulator cannot listen on {host}:{port}: {words}; choose another") from error
    try:
        bound_host, bound_port = server.sockets[0].getsockname()[:2]
        if ready is not None:
            ready(f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}")
        await asyncio.Event().wait()
    finally:
        server.close()
        await switchboard.hang_up()
        await server.wait_closed()


def run(config: SimulatorConfig, ready: Callable[[str], None]) -> None:
    """Be the process: serve until SIGTERM, SIGINT, or (if so configured) the end of standard input; then return."""
    asyncio.run(_until_told(config, ready))


async def _until_told(config: SimulatorConfig, ready: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if config.exit_with_parent:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, told)
    serving = asyncio.create_task(serve(Accounts(config), config.host, config.port, ready))
    telling = asyncio.create_task(told.wait())
    done, _ = await asyncio.wait({serving, telling}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    if serving in done:
        serving.result()  # it never began: say why
    serving.cancel()
    await asyncio.wait({serving})


def _stop_at_end_of_input(told: asyncio.Event) -> None:
    """Whoever started us holds the other end of the pipe; it closes when they are gone, however they went."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        told.set()
