"""A small application of the demo, on kafka-python: produces or consumes, and says what it was told, a JSON line each.

    demo_app.py produce BOOTSTRAP TOPIC      numbers from 0 on, 40 a second, until SIGTERM
    demo_app.py consume BOOTSTRAP TOPIC GROUP
"""

import json
import logging
import signal
import sys
import time

import kafka

PAUSE = 1 / 40
stopping = False


def stop(*_):
    global stopping
    stopping = True


def say(name, **more):
    print(json.dumps({"name": name, **more}), flush=True)


def produce(bootstrap, topic):
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, acks="all", retries=1000)
    number = 0

    def told(value):
        return lambda at: say("acked", value=value, partition=at.partition, offset=at.offset)

    while not stopping:
        sent = producer.send(topic, str(number).encode())
        sent.add_callback(told(number))
        sent.add_errback(lambda error: say("error", text=repr(error)))
        number += 1
        time.sleep(PAUSE)
    producer.flush(30)
    say("closed", sent=number)


def consume(bootstrap, topic, group):
    consumer = kafka.KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", auto_commit_interval_ms=1000
    )
    while not stopping:
        for records in consumer.poll(200).values():
            for r in records:
                say("read", value=int(r.value), partition=r.partition, offset=r.offset)
    consumer.close()
    say("closed")


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, stop)
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
