"""confluent-kafka's serializers of all three types, with records through topics.

Arguments: bootstrap servers, URL of the registry. Prints a line for each thing shown and
ends with an exception where something is not as a registry of Confluent has it.
"""

import sys
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVERS, URL = sys.argv[1:]
registry = SchemaRegistryClient({"url": URL})


def through(topic, data):
    """Sends a record and reads it back."""
    producer = Producer({"bootstrap.servers": SERVERS})
    failed = []
    producer.produce(topic, value=data, on_delivery=lambda e, _: failed.append(e) if e else None)
    assert producer.flush(60) == 0 and not failed, failed
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        for _ in range(60):
            record = consumer.poll(1)
            if record is not None and record.error() is None:
                return record.value()
    finally:
        consumer.close()
    raise AssertionError("nothing came back from " + topic)


def at(topic):
    return SerializationContext(topic, MessageField.VALUE)


def refused(subject, text, kind, code=409):
    try:
        registry.register_schema(subject, Schema(text, kind))
    except SchemaRegistryError as e:
        assert e.http_status_code == code, e
        return e.error_message
    raise AssertionError("%s took %s" % (subject, text))


def avro():
    text = '{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}'
    data = AvroSerializer(registry, text)({"a": 7}, at("py-avro"))
    assert AvroDeserializer(registry)(through("py-avro", data), at("py-avro")) == {"a": 7}
    registry.register_schema("py-avro-value", Schema(text.replace('"int"}', '"int"},{"name":"b","type":"int","default":1}'), "AVRO"))
    message = refused("py-avro-value", text.replace('"int"', '"string"'), "AVRO")
    assert "TYPE_MISMATCH" in message, message


def json_schema():
    address = '{"type":"object","properties":{"city":{"type":"string"}},"additionalProperties":false}'
    registry.register_schema("py-address", Schema(address, "JSON"))
    text = '{"$schema":"http://json-schema.org/draft-07/schema#","title":"P","type":"object","properties":{"n":{"type":"integer"},"at":{"$ref":"address.json"}},"additionalProperties":false}'
    schema = Schema(text, "JSON", [SchemaReference("address.json", "py-address", 1)])
    value = {"n": 7, "at": {"city": "Bern"}}
    data = JSONSerializer(schema, registry)(value, at("py-json"))
    assert JSONDeserializer(schema, schema_registry_client=registry)(through("py-json", data), at("py-json")) == value
    assert registry.get_latest_version("py-json-value").schema.schema_str == text
    wider = text.replace('"integer"}', '"number"},"more":{"type":"string"}')
    registry.register_schema("py-json-value", Schema(wider, "JSON", schema.references))
    try:
        registry.register_schema("py-json-value", Schema(text, "JSON", schema.references), normalize_schemas=False)
    except SchemaRegistryError as e:
        raise AssertionError("the same content is not its version: %s" % e)
    message = refused("py-json-value", '{"type":"object","properties":{"n":{"type":"string"}},"additionalProperties":false}', "JSON")
    assert "TYPE_CHANGED" in message and "#/properties/n" in message, message
    refused("py-json-value", '{"type":"no such"}', "JSON", 422)
    refused("py-remote", '{"$ref":"http://127.0.0.1:1/x.json"}', "JSON", 422)


def message_class(name, fields):
    f = descriptor_pb2.FileDescriptorProto(name=name, package="py", syntax="proto3")
    outer = f.message_type.add(name="Outer")
    inner = outer.nested_type.add(name="Inner")
    for number, (field, kind) in enumerate(fields, 1):
        inner.field.add(name=field, number=number, type=kind, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(f)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("py.Outer.Inner"))


def protobuf():
    kind = descriptor_pb2.FieldDescriptorProto
    inner = message_class("a.proto", [("a", kind.TYPE_INT32)])
    data = ProtobufSerializer(inner, registry, {"use.deprecated.format": False})(inner(a=7), at("py-proto"))
    back = ProtobufDeserializer(inner, {"use.deprecated.format": False})(through("py-proto", data), at("py-proto"))
    assert back.a == 7
    latest = registry.get_latest_version("py-proto-value")
    assert latest.schema.schema_str == 'syntax = "proto3";\npackage py;\n\nmessage Outer {\n  message Inner {\n    int32 a = 1;\n  }\n}\n', latest.schema.schema_str
    more = message_class("b.proto", [("a", kind.TYPE_INT64), ("b", kind.TYPE_STRING)])
    data = ProtobufSerializer(more, registry, {"use.deprecated.format": False})(more(a=1 << 40, b="x"), at("py-proto"))
    assert registry.get_versions("py-proto-value") == [1, 2]
    other = message_class("c.proto", [("a", kind.TYPE_STRING)])
    try:
        ProtobufSerializer(other, registry, {"use.deprecated.format": False})(other(a="x"), at("py-proto"))
    except SchemaRegistryError as e:
        assert e.http_status_code == 409 and "FIELD_SCALAR_KIND_CHANGED" in e.error_message, e
    else:
        raise AssertionError("another kind of field was taken")
    refused("py-proto-value", "message {", "PROTOBUF", 422)


def settings():
    registry.set_compatibility("py-json-value", "NONE")
    assert registry.get_compatibility("py-json-value") == "NONE"
    registry.register_schema("py-json-value", Schema('{"type":"string"}', "JSON"))
    assert sorted(registry.get_versions("py-json-value")) == [1, 2, 3]
    assert registry.delete_subject("py-json-value") == [1, 2, 3]
    assert "py-json-value" not in registry.get_subjects()


for part in (avro, json_schema, protobuf, settings):
    part()
    print("shown:", part.__name__, flush=True)
