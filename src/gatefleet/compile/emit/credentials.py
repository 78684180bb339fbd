"""What authenticates: consumers' entries of the native module's table."""

from gatefleet.compile import ir, resolve
from gatefleet.native import records
from gatefleet.plugin import Who


def consumer_entries(consumer: ir.Consumer) -> list[tuple[bytes, bytes]]:
    """Entries (key, value) of the consumer table for a consumer and each of its credentials, in order of the keys."""
    custom_id = consumer.labels.get("custom_id", "")
    found = [records.consumer_entry(consumer.username, custom_id, consumer.labels)]
    for credential_id, name, conf in consumer.credentials:
        auth = resolve.plugin(name).auth
        if auth is not None:
            who = Who(consumer=consumer.username, credential_id=credential_id, custom_id=custom_id)
            found.extend(auth.entries(auth.read(conf), who))
    return sorted(found)
