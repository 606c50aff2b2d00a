// @confluentinc/kafka-javascript (librdkafka) as a guest of a load, through its promises;
// README.md above says what it is told.
'use strict'
const { createRequire } = require('node:module')
const { KafkaJS, CODES } = createRequire(process.env.CLIENT_DIR + '/')('@confluentinc/kafka-javascript')
const { config, buffered, sleep, dispose, parts, byTopic, reading, main } = require('../told/told.js')

const kafka = new KafkaJS.Kafka({
  'bootstrap.servers': config.brokers,
  'socket.timeout.ms': config.request_timeout_ms,
  'reconnect.backoff.ms': 20,
  'reconnect.backoff.max.ms': 200,
  // Its other strategy, which is the default, forgets the coordinator when the only broker
  // is away for a moment and does not find it again, whoever's broker that is.
  'metadata.recovery.strategy': 'none',
  log_level: 0,
})

// Calls again for as long as librdkafka says that this is the thing to do: the library
// lets no call take longer than 5 s.
const retried = async call => {
  for (const end = Date.now() + config.patience_ms; ;) {
    try {
      return await call()
    } catch (e) {
      if (!e.retriable || Date.now() > end) throw e
    }
  }
}

// Feed reads as the member of a group, and keeps what the library hands over.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.lost = this.closed = false
    this.records = []
    this.consumer = kafka.consumer({
      'group.id': group,
      'enable.auto.commit': false,
      'auto.offset.reset': 'earliest',
      'isolation.level': isolation,
      'session.timeout.ms': config.session_timeout_ms,
      'heartbeat.interval.ms': 300,
      'fetch.wait.max.ms': 50,
      rebalance_cb: e => { this.lost ||= e.code !== CODES.ERRORS.ERR__ASSIGN_PARTITIONS },
    })
    this.started = this.start()
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic })
    await this.consumer.run({
      eachBatch: async ({ batch }) => {
        while (this.records.length >= buffered && !this.closed) await sleep(20)
        this.records.push(...batch.messages.map(({ offset, value }) => ({ partition: batch.partition, offset, value })))
      },
    })
  }

  // The library puts the group's offsets into a transaction with what its member knows of
  // the group by then. So it is over with the assignment that its records are of.
  assigned () {
    if (this.lost) throw new Error('its assignment is lost')
  }

  take (max) { // at most max records
    this.assigned()
    return parts(this.topic, this.records.splice(0, max))
  }

  async disconnect () {
    this.closed = true
    await this.consumer.disconnect()
  }
}

const clients = { producer: null, reader: null, member: null }

const told = {
  async open () {
    await told.drop({ what: 'producer' })
    const made = kafka.producer({ 'transactional.id': config.transactional_id, 'transaction.timeout.ms': config.txn_timeout_ms, 'linger.ms': 0 })
    try {
      await made.connect()
    } catch (e) {
      await dispose(() => made.disconnect())
      throw e
    }
    clients.producer = made
  },
  async begin () {
    await clients.producer.transaction()
  },
  // One by one, as librdkafka makes its batches, and others' may come between them.
  async send ({ records }) {
    const sent = await Promise.allSettled(records.map(({ topic, partition, value }) =>
      clients.producer.send({ topic, messages: [{ partition, value: Buffer.from(value, 'base64') }] })))
    return { records: sent.map(s => s.status === 'fulfilled' ? { offset: Number(s.value[0].baseOffset) } : { error: s.reason.message }) }
  },
  async offsets ({ offsets }) {
    await retried(() => {
      clients.member.assigned()
      return clients.producer.sendOffsets({ consumer: clients.member.consumer, topics: byTopic(offsets) })
    })
  },
  async commit () {
    await retried(() => clients.producer.commit())
  },
  async abort () {
    await retried(() => clients.producer.abort())
  },
  async drop ({ what }) {
    const client = clients[what]
    clients[what] = null
    if (client) await dispose(() => client.disconnect())
  },
}

Object.assign(told, reading(told, clients, Feed))

main(told, order => {
  if (['begin', 'commit', 'abort', 'send', 'offsets'].includes(order) && !clients.producer) throw new Error('no producer')
}, e => ({ error: `${e.code || e.name}: ${e.message}`, abort: Boolean(e.abortable) }))
