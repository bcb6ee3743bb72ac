"""kombu and celery with Azure queues as their broker, against running Queue and Blob servers.

The results of celery's tasks go to blobs. Started by celery itself, this file is the worker's
application.
"""

import os
import queue
import subprocess
import sys
import threading

from azure.storage.queue import QueueServiceClient
from celery import Celery, group
from harness import ACCOUNT, BLOB, CREDENTIAL, KEY, RUN, equal, hours_from_now, main, test
from kombu import Connection, Exchange, Producer, Queue

QUEUE = os.environ.get("AZ_QUEUE", f"http://127.0.0.1:10001/{ACCOUNT}")
BROKER = f"azurestoragequeues://{KEY}@{QUEUE}"
RESULTS = (f"azureblockblob://DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
           f"BlobEndpoint={BLOB};")
# A worker is of the run that started it.
RUN = os.environ.get("LAZULI_RUN", RUN)

APP = Celery("celery_queue", broker=BROKER, backend=RESULTS)
APP.conf.update(
    azureblockblob_container_name=f"celery-{RUN}",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"queue_name_prefix": "", "polling_interval": 0.05},
    task_default_queue=f"celery-{RUN}",
    worker_enable_remote_control=False,
)


@APP.task(bind=True, max_retries=3, name="add")
def add(task, left, right, failures=0):
    """The sum, after as many failures."""
    if task.request.retries < failures:
        raise task.retry(countdown=0)
    return left + right


def connect():
    """A connection of kombu."""
    return Connection(BROKER, transport_options={"polling_interval": 0.05})


def bound(tag):
    """A queue of this run with a direct exchange of its own."""
    name = f"kombu-{tag}-{RUN}"
    return Queue(name, Exchange(name), routing_key=name, durable=True)


def put(connection, target, body, **options):
    """Publishes a message to a queue."""
    producer = Producer(connection, serializer="json")
    producer.publish(body, exchange=target.exchange, routing_key=target.routing_key,
                     declare=[target], **options)


def drain(connection, target, count, callback):
    """Consumes `count` messages or fails after a minute."""
    left = [count]

    def one(body, message):
        callback(body, message)
        left[0] -= 1

    deadline = hours_from_now(1 / 60)
    with connection.Consumer(target, callbacks=[one]):
        while left[0] > 0:
            equal(hours_from_now(0) < deadline, True, "drained in time")
            connection.drain_events(timeout=60)


@test
def bodies_headers_and_large_messages_arrive_whole():
    target = bound("bodies")
    # kombu puts a body into base64 and JSON, and the service takes 64 KiB.
    bodies = [{"n": 1, "text": "zwei ü \u2713"}, "x" * 40_000, ["<xml>&amp;</xml>"], None]
    with connect() as connection:
        for body in bodies:
            put(connection, target, body, headers={"kind": type(body).__name__})
        got = []

        def keep(body, message):
            got.append((body, message.headers["kind"]))
            message.ack()

        drain(connection, target, len(bodies), keep)
        equal(got, [(body, type(body).__name__) for body in bodies])
        equal(target(connection.default_channel).get(), None)
        target(connection.default_channel).delete()


@test
def what_is_rejected_comes_back_and_what_is_dropped_does_not():
    target = bound("reject")
    with connect() as connection:
        channel = target(connection.default_channel)
        put(connection, target, {"try": 1})
        first = channel.get()
        equal(first.payload, {"try": 1})
        equal(channel.get(), None)
        first.requeue()
        second = channel.get()
        equal(second.payload, {"try": 1})
        second.reject()
        equal(channel.get(), None)
        put(connection, target, {"try": 2})
        held = channel.get()
        equal(held.payload, {"try": 2})
    # A consumer that goes away gives back what it has not acknowledged.
    with connect() as connection:
        channel = target(connection.default_channel)
        returned = channel.get()
        equal(returned.payload, {"try": 2})
        returned.ack()
        channel.delete()


@test
def a_queue_is_counted_and_purged():
    target = bound("purge")
    with connect() as connection:
        for number in range(10):
            put(connection, target, number)
        channel = target(connection.default_channel)
        equal(channel.queue_declare(passive=True).message_count, 10)
        equal(channel.purge(), 10)
        equal(channel.queue_declare(passive=True).message_count, 0)
        equal(channel.get(), None)
        channel.delete()


@test
def producers_and_consumers_share_a_queue():
    target = bound("many")
    with connect() as connection:
        target(connection.default_channel).declare()
    got = queue.Queue()
    failures = queue.Queue()

    def guarded(work, *arguments):
        try:
            with connect() as connection:
                work(connection, *arguments)
        except Exception as error:  # noqa: BLE001 - told by the test below
            failures.put(error)

    def produce(connection, start):
        for number in range(start, start + 20):
            put(connection, target, number)

    def consume(connection, count):
        def keep(body, message):
            got.put(body)
            message.ack()

        drain(connection, target, count, keep)

    threads = [threading.Thread(target=guarded, args=(produce, start)) for start in (0, 20, 40)]
    threads += [threading.Thread(target=guarded, args=(consume, 15)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(list(failures.queue), [])
    equal(sorted(got.queue), list(range(60)))
    with connect() as connection:
        target(connection.default_channel).delete()


@test
def celery_runs_tasks_and_keeps_their_results_in_blobs():
    command = [sys.executable, "-m", "celery", "-A", "celery_queue:APP", "worker", "--pool=threads",
               "--concurrency=3", "--without-gossip", "--without-mingle", "--without-heartbeat",
               "--loglevel=WARNING"]
    environment = {**os.environ, "LAZULI_RUN": RUN,
                   "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
    # Sent before there is a worker: the queue keeps them.
    calls = group(add.s(number, number) for number in range(12)).apply_async()
    retried = add.delay(1, 2, failures=2)
    worker = subprocess.Popen(command, env=environment)
    try:
        equal(calls.get(timeout=60, interval=0.1), [2 * number for number in range(12)])
        equal(retried.get(timeout=60, interval=0.1), 3)
        later = add.apply_async((20, 22), expires=300)
        equal(later.get(timeout=60, interval=0.1), 42)
    finally:
        worker.terminate()
        status = worker.wait(timeout=30)
    equal(status, 0, "the worker's exit status")
    left = QueueServiceClient(QUEUE, credential=CREDENTIAL).get_queue_client(f"celery-{RUN}")
    equal(left.get_queue_properties().approximate_message_count, 0)
    left.delete_queue()


if __name__ == "__main__":
    main()
