//! What rdkafka does beside the story of main.rs; demand_test.go says what each case is.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::RngCore;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, Rebalance};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, Message, TopicPartitionList};
use serde_json::json;

use crate::{config, emit, partitions, Outcome};

const FIRST_TIME: i64 = 1_000_000_000_000; // milliseconds
const MINUTE: Duration = Duration::from_secs(60);

struct Demand<'a> {
    brokers: &'a str,
    topic: &'a str,
    group: &'a str,
}

pub fn run(brokers: &str, topic: &str, group: &str) -> Outcome<()> {
    let d = Demand { brokers, topic, group };
    let tell = |case: &str, value: String| emit(json!({"event": "case", "case": case, "value": value}));
    tell("large record", d.large_record()?);
    tell("seek by time", d.seek_by_time()?);
    tell("pause and resume", d.pause()?);
    tell("manual commit", d.manual_commit()?);
    tell("long poll", d.long_poll()?);
    tell("regex subscription", d.regex()?);
    let (cooperative, stayed) = d.members()?;
    tell("cooperative members", cooperative);
    tell("static members", stayed);
    Ok(())
}

impl Demand<'_> {
    fn consumer(&self, group: &str, settings: &[(&str, &str)]) -> Outcome<BaseConsumer> {
        self.watched(group, settings, DefaultConsumerContext)
    }

    fn watched<C: ConsumerContext>(&self, group: &str, settings: &[(&str, &str)], context: C) -> Outcome<BaseConsumer<C>> {
        let group = format!("{}-{group}", self.group);
        let mut all = config(self.brokers, settings);
        all.set("group.id", &group).set("enable.auto.commit", "false");
        Ok(all.create_with_context(context)?)
    }

    fn at(&self, partition: i32, offset: Offset) -> Outcome<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, partition, offset)?;
        Ok(list)
    }

    /// from is a consumer of one partition.
    fn from(&self, partition: i32, settings: &[(&str, &str)]) -> Outcome<BaseConsumer> {
        let consumer = self.consumer("none", settings)?;
        consumer.assign(&self.at(partition, Offset::Beginning)?)?;
        Ok(consumer)
    }

    /// write sends values, a second apart, and waits for all of them.
    fn write(&self, partition: i32, values: &[Vec<u8>], settings: &[(&str, &str)]) -> Outcome<()> {
        let producer: BaseProducer = config(self.brokers, settings).create()?;
        for (n, value) in (0..).zip(values) {
            let record = BaseRecord::<(), _>::to(self.topic).partition(partition).timestamp(FIRST_TIME + n * 1000).payload(value);
            producer.send(record).map_err(|(e, _)| e)?;
        }
        Ok(producer.flush(MINUTE)?)
    }

    fn large_record(&self) -> Outcome<String> {
        let mut value = vec![0; 10 << 20];
        rand::rng().fill_bytes(&mut value);
        let values = [value];
        self.write(0, &values, &[("message.max.bytes", "12582912")])?;
        let got = read(&self.from(0, &[])?, 1, MINUTE)?;
        Ok(format!("{} {}", got.len(), got[0].payload() == Some(&values[0])))
    }

    fn seek_by_time(&self) -> Outcome<String> {
        let values: Vec<_> = (0..100).map(|n| n.to_string().into_bytes()).collect();
        self.write(1, &values, &[("linger.ms", "100"), ("compression.type", "lz4")])?;
        let consumer = self.consumer("none", &[])?;
        let found = consumer.offsets_for_times(self.at(1, Offset::Offset(FIRST_TIME + 50_500))?, MINUTE)?;
        consumer.assign(&found)?;
        let got = read(&consumer, 1, MINUTE)?;
        let offset = found.elements()[0].offset().to_raw().ok_or("no offset")?;
        Ok(format!("{offset} {}", String::from_utf8_lossy(got[0].payload().unwrap_or_default())))
    }

    fn pause(&self) -> Outcome<String> {
        let consumer = self.from(1, &[])?;
        let partition = self.at(1, Offset::Invalid)?;
        consumer.pause(&partition)?;
        let paused = read(&consumer, 100, Duration::from_millis(600))?.len();
        consumer.resume(&partition)?;
        Ok(format!("{paused} {}", read(&consumer, 100, MINUTE)?.len()))
    }

    fn manual_commit(&self) -> Outcome<String> {
        let offsets = self.at(1, Offset::Offset(42))?;
        offsets.find_partition(self.topic, 1).ok_or("no partition")?.set_metadata("note");
        self.consumer("manual", &[])?.commit(&offsets, CommitMode::Sync)?;
        let found = self.consumer("manual", &[])?.committed_offsets(self.at(1, Offset::Invalid)?, MINUTE)?;
        let found = &found.elements()[0];
        Ok(format!("{} {}", found.offset().to_raw().ok_or("no offset")?, found.metadata()))
    }

    /// long_poll: the fetch's own bound lies behind the end of the test.
    fn long_poll(&self) -> Outcome<String> {
        let consumer = self.from(2, &[("fetch.wait.max.ms", "120000"), ("socket.timeout.ms", "180000")])?;
        read(&consumer, 1, Duration::from_millis(500))?; // the fetch is on its way
        self.write(2, &[b"x".to_vec()], &[])?;
        Ok(read(&consumer, 1, MINUTE)?.len().to_string())
    }

    fn regex(&self) -> Outcome<String> {
        let consumer = self.consumer("regex", &[("auto.offset.reset", "earliest")])?;
        consumer.subscribe(&[&format!("^{}.*", self.topic)])?;
        let got = read(&consumer, 103, MINUTE)?;
        let topics: BTreeSet<_> = got.iter().map(|m| m.topic().trim_start_matches(self.topic)).collect();
        Ok(format!("[{}]", topics.into_iter().collect::<Vec<_>>().join(", ")))
    }

    /// A gives up one partition and keeps the others without a break; when A goes and comes
    /// back under its name, B hears nothing of it.
    fn members(&self) -> Outcome<(String, String)> {
        let a = self.member("a")?;
        poll(|| a.owned() == 3, &[&a])?;
        let b = self.member("b")?;
        poll(|| a.owned() == 2 && b.owned() == 1, &[&a, &b])?;
        let (revoked, before, heard) = (a.seen().revoked, a.seen().owned.clone(), b.seen().changes);
        drop(a);
        let again = self.member("a")?;
        poll(|| again.owned() == 2, &[&again, &b])?;
        read(&b.0, 1, Duration::from_secs(1))?; // some heartbeats
        let same = again.seen().owned == before;
        let changes = b.seen().changes - heard;
        Ok((revoked.to_string(), format!("{same} {changes}")))
    }

    fn member(&self, instance: &str) -> Outcome<Member> {
        let settings = [
            ("group.instance.id", instance),
            ("heartbeat.interval.ms", "300"),
            ("partition.assignment.strategy", "cooperative-sticky"),
        ];
        let consumer = self.watched("static", &settings, Watch::default())?;
        consumer.subscribe(&[self.topic])?;
        Ok(Member(consumer))
    }
}

/// Watch keeps what a member of a group hears.
#[derive(Default)]
struct Watch(Mutex<Seen>);

#[derive(Clone, Default)]
struct Seen {
    owned: BTreeSet<i32>,
    revoked: usize,
    changes: usize,
}

impl ClientContext for Watch {}

impl ConsumerContext for Watch {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut seen = self.0.lock().unwrap();
        seen.changes += 1;
        match rebalance {
            Rebalance::Assign(list) => seen.owned.extend(partitions(list)),
            Rebalance::Revoke(list) => {
                let gone = partitions(list);
                seen.revoked += gone.len();
                seen.owned.retain(|p| !gone.contains(p));
            }
            Rebalance::Error(e) => emit(json!({"event": "error", "error": e.to_string()})),
        }
    }
}

struct Member(BaseConsumer<Watch>);

impl Member {
    fn seen(&self) -> Seen {
        self.0.context().0.lock().unwrap().clone()
    }

    fn owned(&self) -> usize {
        self.seen().owned.len()
    }
}

fn poll(until: impl Fn() -> bool, members: &[&Member]) -> Outcome<()> {
    let deadline = Instant::now() + MINUTE;
    while !until() {
        if Instant::now() > deadline {
            return Err("the partitions are not shared as they should be".into());
        }
        for member in members {
            member.0.poll(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// read polls until enough records came, or so long.
fn read<C: ConsumerContext>(consumer: &BaseConsumer<C>, count: usize, bound: Duration) -> Outcome<Vec<OwnedMessage>> {
    let (mut got, deadline) = (Vec::new(), Instant::now() + bound);
    while got.len() < count && Instant::now() < deadline {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            got.push(message.detach());
        }
    }
    Ok(got)
}
