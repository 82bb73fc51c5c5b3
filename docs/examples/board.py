#!/usr/bin/env python3
"""The board of Callpulse: the newest record of every entity and window, and how old it is.

    pip install confluent-kafka
    python3 board.py --brokers localhost:9092           shows every queue's last five minutes, once a second
    python3 board.py --brokers localhost:9092 --once    prints every record of the board, and ends

Nothing is committed: the topic is compacted, so that reading it from its beginning is the way to have it all.
docs/subscribing.md says why each step is as it is.
"""

import argparse
import json
import sys
import time
from datetime import datetime, timezone

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition


class Board:
    """The newest record of each key, and the newest progress of each partition."""

    def __init__(self):
        self.records = {}
        self.progress = {}

    def apply(self, key, value):
        if key.startswith("progress|"):
            if value is not None:
                progress = json.loads(value)
                known = self.progress.get(key)
                if known is None or known["generation"] <= progress["generation"]:
                    self.progress[key] = progress
        elif value is None:
            # A tombstone: the entity or the window has ended.
            self.records.pop(key, None)
        else:
            record = json.loads(value)
            known = self.records.get(key)
            if known is None or known["version"] < record["version"]:
                self.records[key] = record

    def complete_up_to(self):
        """Up to when all that happened is counted; None before the first progress record."""
        times = [progress["as_of"] for progress in self.progress.values()]
        return min(times) if times else None

    def age(self):
        """How old the data is, in seconds. It grows when the engine stands still, whatever the records say."""
        up_to = self.complete_up_to()
        if up_to is None:
            return None
        return (datetime.now(timezone.utc) - datetime.fromisoformat(up_to.replace("Z", "+00:00"))).total_seconds()


def open_at_the_beginning(arguments):
    """A consumer of all partitions of the topic, and how many those are."""
    consumer = Consumer({
        "bootstrap.servers": arguments.brokers,
        # Asked for by the client; no group is joined.
        "group.id": "board-example",
        "enable.auto.commit": False,
        # What is not committed may never have happened.
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        **dict(arguments.property),
    })
    topic = consumer.list_topics(arguments.topic, timeout=30).topics[arguments.topic]
    if topic.error is not None:
        raise SystemExit(f"cannot read {arguments.topic}: {topic.error}")
    places = [TopicPartition(arguments.topic, partition, OFFSET_BEGINNING) for partition in topic.partitions]
    consumer.assign(places)
    return consumer, len(places)


def follow(arguments):
    board = Board()
    consumer, partitions = open_at_the_beginning(arguments)
    read_to_the_end = set()
    shown = 0.0
    try:
        while True:
            message = consumer.poll(0.2)
            if message is None:
                pass
            elif message.error() is None:
                board.apply(message.key().decode(), message.value())
            elif message.error().code() == KafkaError._PARTITION_EOF:
                read_to_the_end.add(message.partition())
            elif message.error().fatal():
                raise SystemExit(f"cannot go on: {message.error()}")
            # Whatever else there is passes, and the client tries again; meanwhile the age grows.
            if len(read_to_the_end) < partitions:
                continue
            if arguments.once:
                return board
            if 1.0 <= time.monotonic() - shown:
                shown = time.monotonic()
                show(board)
    finally:
        consumer.close()


def show(board):
    for key in sorted(board.records):
        record = board.records[key]
        entity, window = record["entity"], record["window"]
        if entity["kind"] != "queue" or window["name"] != "5m" or "channel" in entity:
            continue
        level = record["kpis"]["service_level"]["value"]
        level = "-" if level is None else f"{level:.1%}"
        offered = record["counts"]["offered"]
        print(f"{entity.get('title', entity['id'])}: offered {offered}, service level {level}", flush=True)
    tell_age(board, sys.stdout)


def tell_age(board, out):
    age = board.age()
    told = "nothing is known yet" if age is None else f"complete up to {board.complete_up_to()}, {age:.1f} s ago"
    silent = sorted({topic for progress in board.progress.values() for topic in progress["silent"]})
    print(told + "".join(f"; {topic} is silent" for topic in silent), file=out, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--topic", default="acd.kpis")
    parser.add_argument("--property", action="append", default=[], type=lambda text: tuple(text.split("=", 1)),
                        metavar="NAME=VALUE", help="a property of librdkafka, such as security.protocol=SASL_SSL")
    parser.add_argument("--once", action="store_true", help="print every record, as key, tab and JSON, and end")
    board = follow(parser.parse_args())
    for key in sorted(board.records):
        print(f"{key}\t{json.dumps(board.records[key], ensure_ascii=False)}")
    tell_age(board, sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
