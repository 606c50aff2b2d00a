//! rdkafka (librdkafka) driven over standard input and output; the Go package in the folder
//! above says how.

mod demand;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};
use serde::Deserialize;
use serde_json::{json, Value};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Command {
    codec: String,
    first: usize,
    count: usize,
    pace_ms: u64,
}

pub fn emit(event: Value) {
    println!("{event}"); // which locks and flushes: a line each
}

pub fn config(brokers: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut all = ClientConfig::new();
    all.set("bootstrap.servers", brokers)
        .set("reconnect.backoff.max.ms", "500")
        .set("log_level", "2");
    for (name, value) in settings {
        all.set(*name, *value);
    }
    all
}

/// admin makes the topic and reads it back.
fn admin(brokers: &str, topic: &str) -> Outcome<()> {
    let client: AdminClient<DefaultClientContext> = config(brokers, &[]).create()?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(30)));
    let made = NewTopic::new(topic, 6, TopicReplication::Fixed(1)).set("max.message.bytes", "2000000");
    for result in futures_executor::block_on(client.create_topics([&made], &options))? {
        result.map_err(|(name, code)| format!("{name}: {code}"))?;
    }
    let metadata = client.inner().fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let partitions = metadata.topics()[0].partitions().len();
    if partitions != 6 {
        return Err(format!("{partitions} partitions").into());
    }
    let resources = [ResourceSpecifier::Topic(topic)];
    for resource in futures_executor::block_on(client.describe_configs(&resources, &options))? {
        let resource = resource?;
        let value = resource.get("max.message.bytes").and_then(|e| e.value.clone());
        if value.as_deref() != Some("2000000") {
            return Err(format!("max.message.bytes is {value:?}").into());
        }
    }
    Ok(())
}

/// key and value are those of what every client of this test sends as its n-th record.
fn key(n: usize) -> Option<String> {
    (n % 5 != 0).then(|| format!("key-{}", n % 17))
}

fn value(n: usize) -> Option<String> {
    (n % 13 != 0).then(|| format!("välue-{n}"))
}

/// Told prints what was delivered.
struct Told;

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, n: Box<usize>) {
        match result {
            Ok(m) => emit(json!({"event": "acked", "n": n, "partition": m.partition(), "offset": m.offset(),
                                 "key": text(m.key()), "value": text(m.payload())})),
            Err((e, _)) => emit(json!({"event": "error", "error": e.to_string()})),
        }
    }
}

fn text(data: Option<&[u8]>) -> Option<String> {
    data.map(|d| String::from_utf8_lossy(d).into_owned())
}

/// produce carries out the commands of standard input, each with a client of its own.
fn produce(brokers: &str, topic: &str) -> Outcome<()> {
    for line in io::stdin().lock().lines() {
        let command: Command = serde_json::from_str(&line?)?;
        let settings = [
            ("compression.type", command.codec.as_str()),
            ("enable.idempotence", "true"),
            ("delivery.timeout.ms", "60000"),
        ];
        let producer: ThreadedProducer<Told> = config(brokers, &settings).create_with_context(Told)?;
        for n in command.first..command.first + command.count {
            let (key, value, number) = (key(n), value(n), n.to_string());
            let header = Header { key: "n", value: Some(&number) };
            let mut record = BaseRecord::with_opaque_to(topic, Box::new(n)).headers(OwnedHeaders::new().insert(header));
            if let Some(key) = &key {
                record = record.key(key);
            }
            if let Some(value) = &value {
                record = record.payload(value);
            }
            producer.send::<String, String>(record).map_err(|(e, _)| e)?;
            thread::sleep(Duration::from_millis(command.pace_ms));
        }
        producer.flush(Duration::from_secs(90))?;
        emit(json!({"event": "produced"}));
    }
    Ok(())
}

/// Owned prints what the member owns.
struct Owned;

impl ClientContext for Owned {}

impl ConsumerContext for Owned {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => emit(json!({"event": "assigned", "partitions": partitions(list)})),
            Rebalance::Revoke(_) => emit(json!({"event": "assigned", "partitions": []})),
            Rebalance::Error(e) => emit(json!({"event": "error", "error": e.to_string()})),
        }
    }
}

pub fn partitions(list: &TopicPartitionList) -> BTreeSet<i32> {
    list.elements().iter().map(|e| e.partition()).collect()
}

/// consume reads as a member of a group until standard input ends, then commits and leaves.
fn consume(brokers: &str, topic: &str, group: &str, isolation: &str) -> Outcome<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new()); // an error is an end too
        end.store(true, Ordering::Relaxed);
    });
    let settings = [
        ("group.id", group),
        ("isolation.level", isolation),
        ("auto.offset.reset", "earliest"),
        ("heartbeat.interval.ms", "300"),
        ("auto.commit.interval.ms", "500"),
        ("topic.metadata.refresh.interval.ms", "2000"),
    ];
    let consumer: BaseConsumer<Owned> = config(brokers, &settings).create_with_context(Owned)?;
    consumer.subscribe(&[topic])?;
    while !ended.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(m)) => emit(json!({"event": "record", "n": number(&m)?, "partition": m.partition(), "offset": m.offset(),
                                       "key": text(m.key()), "value": text(m.payload())})),
            Some(Err(e)) if passes(&e) => {}
            Some(Err(e)) => return Err(e.into()),
        }
    }
    Ok(()) // the consumer commits what was read as it is dropped
}

fn number(m: &BorrowedMessage<'_>) -> Outcome<usize> {
    let headers = m.headers().ok_or("a record without headers")?;
    Ok(std::str::from_utf8(headers.get(0).value.unwrap_or_default())?.parse()?)
}

/// passes: the broker is away, or the topic not known yet, and librdkafka goes on.
fn passes(e: &KafkaError) -> bool {
    use RDKafkaErrorCode::*;
    matches!(e.rdkafka_error_code(), Some(BrokerTransportFailure | AllBrokersDown | UnknownTopicOrPartition
        | NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress | OperationTimedOut))
}

fn run(args: &[String]) -> Outcome<()> {
    match args {
        [mode, brokers, topic] if mode == "admin" => admin(brokers, topic),
        [mode, brokers, topic] if mode == "produce" => produce(brokers, topic),
        [mode, brokers, topic, group, isolation] if mode == "consume" => consume(brokers, topic, group, isolation),
        [mode, brokers, topic, group] if mode == "demand" => demand::run(brokers, topic, group),
        _ => Err(format!("arguments {args:?}").into()),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(e) = run(&args) {
        emit(json!({"event": "error", "error": e.to_string()}));
        std::process::exit(1);
    }
    emit(json!({"event": "done"}));
}
