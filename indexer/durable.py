"""Durable execution: a function whose steps are recorded, gone on with by another process. The only importer of DBOS.

DBOS runs a job as a workflow of recorded steps. Inputs and outputs are ids, counts and codes, as JSON. By itself DBOS
resumes what a process left only when that very process comes back; `Executor.recover` is what others do for it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from dbos import DBOS, DBOSClient, Serializer, SetWorkflowID
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from policies.errors import DependencyError

T = TypeVar("T")

_VERSION: Final = "1"
"""Of the steps of a job. A job that began under another one is not gone on with."""
_WORKFLOW: Final = "penstock.job"
_ENDED: Final = frozenset({"SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class _Json(Serializer):
    """JSON in place of DBOS's pickle. Of an exception, which can hold text, the class is kept and nothing else."""

    def serialize(self, data: object) -> str:
        return json.dumps({"failed": type(data).__name__} if isinstance(data, BaseException) else data)

    def deserialize(self, serialized_data: str) -> object:
        data = json.loads(serialized_data)
        match data:
            case {"failed": str(name)}:
                return RuntimeError(name)
            case _:
                return data

    def name(self) -> str:
        return "penstock_json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a run stands: waiting in a queue, in the hands of an executor (who may be dead), stopped, or ended."""

    waits: bool
    stopped: bool
    ended: bool
    executor: str


class Queues:
    """Offers runs to executors and stops them. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with dbos_errors():
            self._client = DBOSClient(system_database_engine=engine, serializer=_Json(), application_name="penstock")
            # The client leaves this to an application, and no executor may have run yet.
            self._client._sys_db.run_migrations()  # noqa: SLF001

    def offer(self, run: str, *, queue: str) -> None:
        """Put a run into a queue. Offered again, nothing more happens."""
        with dbos_errors():
            self._client.enqueue(
                {"workflow_name": _WORKFLOW, "queue_name": queue, "workflow_id": run, "app_version": _VERSION}, run
            )

    def stop(self, run: str) -> None:
        """Have a run end before its next step."""
        with dbos_errors():
            self._client.cancel_workflow(run)

    def offer_stopped(self, run: str, *, queue: str) -> None:
        """Put a stopped run into a queue again; it goes on behind its last recorded step."""
        with dbos_errors():
            self._client.resume_workflow(run, queue_name=queue)

    def standings(self, runs: Iterable[str]) -> Mapping[str, Standing]:
        """How runs stand. One that was never offered is missing."""
        ids = list(runs)
        if not ids:
            return {}
        with dbos_errors():
            found = self._client.list_workflows(workflow_ids=ids, load_input=False, load_output=False)
        return {
            each.workflow_id: Standing(
                waits=each.status == "ENQUEUED",
                stopped=each.status == "CANCELLED",
                ended=each.status in _ENDED,
                executor=each.executor_id or "",
            )
            for each in found
        }

    def held_by(self) -> frozenset[str]:
        """The executors, dead or alive, that have a run in their hands."""
        with dbos_errors():
            held = self._client.list_workflows(status="PENDING", load_input=False, load_output=False)
        return frozenset(each.executor_id for each in held if each.executor_id)

    def forget(self, runs: Sequence[str]) -> None:
        """Delete all that is known of runs that ended."""
        with dbos_errors():
            self._client.delete_workflows(list(runs))

    def close(self) -> None:
        """Let go of the database."""
        self._client.destroy()
        self.engine.dispose()


class Executor:
    """Runs what is offered, in this process, in which there is one at a time. `work` is called with a run's id."""

    def __init__(
        self, engine: Engine, work: Callable[[str], None], *, name: str, queues: Iterable[str], poll_s: float
    ) -> None:
        """`queues` are those it takes runs from, one of each at a time, looking every `poll_s` seconds."""
        self._engine = engine
        self._name = name
        self._queues = tuple(queues)
        self._poll_s = poll_s
        self._work = work

    def __enter__(self) -> Self:
        with dbos_errors():
            DBOS(
                config={
                    "name": "penstock",
                    # Only the dialect of it is looked at where there is an engine.
                    "system_database_url": f"{self._engine.dialect.name}:///unused",
                    "system_database_engine": self._engine,
                    "executor_id": self._name,
                    "application_version": _VERSION,
                    "serializer": _Json(),
                    "enable_otlp": False,
                    "log_level": "CRITICAL",
                    "use_listen_notify": False,
                    # Nothing here waits for a notification, so a look costs nothing; leaving waits for the last one.
                    "notification_listener_polling_interval_sec": 0.05,
                }
            )
            # A function, because DBOS writes attributes on what it registers.
            self._workflow = DBOS.workflow(name=_WORKFLOW)(lambda run: self._work(run))  # noqa: PLW0108 - see above
            DBOS.launch()
            for queue in self._queues:
                DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=self._poll_s)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        DBOS.destroy(destroy_registry=True)

    def start(self, run: str) -> None:
        """Begin a run here, past the queues."""
        with dbos_errors(), SetWorkflowID(run):
            DBOS.start_workflow(self._workflow, run)

    def recover(self, executors: Iterable[str]) -> None:
        """Take what these executors have in their hands, and offer it to any live one. They must be dead."""
        with dbos_errors():
            # Of DBOS's ways this one names the dead executor, so that two that recover at once do not start it twice.
            DBOS._recover_pending_workflows(sorted(executors))  # noqa: SLF001


def step(name: str, call: Callable[[], T]) -> T:
    """What `call` returned when this step of the present run was done first; it is called only that once."""
    return DBOS.run_step({"name": name}, call)


@contextmanager
def dbos_errors() -> Iterator[None]:
    """Tell that the database of the runs is away in the words of this project."""
    try:
        yield
    except OperationalError as error:
        raise DependencyError(
            f"The database of the jobs cannot be used ({type(error.orig).__name__}).",
            mend="Check that its disk is not full and that it can be reached, then retry.",
        ) from error
