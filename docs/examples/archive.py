#!/usr/bin/env python3
"""The archive of Callpulse in a table: every interval that has ended, and what corrected it.

    pip install confluent-kafka
    python3 archive.py --brokers localhost:9092 --database intervals.db

A group remembers how far it was. After a crash some records come again: the table takes the highest version of a key,
so that a repeat changes nothing. docs/subscribing.md says why each step is as it is.
"""

import argparse
import json
import sqlite3

from confluent_kafka import Consumer, KafkaError

TABLE = """
CREATE TABLE IF NOT EXISTS intervals (
    key        TEXT PRIMARY KEY,
    version    BIGINT NOT NULL,
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    channel    TEXT,
    length     TEXT NOT NULL,
    start      TEXT NOT NULL,
    final      BOOLEAN NOT NULL,
    record     TEXT NOT NULL
)"""

UPSERT = """
INSERT INTO intervals (key, version, tenant, kind, id, channel, length, start, final, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    version = excluded.version, tenant = excluded.tenant, kind = excluded.kind, id = excluded.id,
    channel = excluded.channel, length = excluded.length, start = excluded.start, final = excluded.final,
    record = excluded.record
WHERE intervals.version < excluded.version"""


def row(key, value):
    record = json.loads(value)
    entity, window = record["entity"], record["window"]
    return (key, record["version"], record["tenant"], entity["kind"], entity["id"], entity.get("channel"),
            window["name"], window["start"], record["final"], value.decode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--topic", default="acd.kpis.intervals")
    parser.add_argument("--group", default="archive-example")
    parser.add_argument("--database", required=True)
    parser.add_argument("--property", action="append", default=[], type=lambda text: tuple(text.split("=", 1)),
                        metavar="NAME=VALUE", help="a property of librdkafka, such as security.protocol=SASL_SSL")
    parser.add_argument("--once", action="store_true", help="end when every partition was read to its end")
    arguments = parser.parse_args()
    database = sqlite3.connect(arguments.database)
    database.execute(TABLE)
    consumer = Consumer({
        "bootstrap.servers": arguments.brokers,
        "group.id": arguments.group,
        "auto.offset.reset": "earliest",
        # Offsets are committed below, when the rows are safe.
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        **dict(arguments.property),
    })
    consumer.subscribe([arguments.topic])
    at_the_end = set()

    def has_read_all():
        return 0 < len(at_the_end) and at_the_end >= {place.partition for place in consumer.assignment()}

    try:
        while not (arguments.once and has_read_all()):
            messages = consumer.consume(500, timeout=1.0)
            rows = []
            for message in messages:
                if message.error() is None:
                    # Retention ends records of the topic, and no rows here.
                    if message.value() is not None:
                        rows.append(row(message.key().decode(), message.value()))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    at_the_end.add(message.partition())
                elif message.error().fatal():
                    raise SystemExit(f"cannot go on: {message.error()}")
            if rows:
                with database:
                    database.executemany(UPSERT, rows)
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()
        database.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
