// kafkajs as a guest of a load; README.md above says what it is told.
'use strict'
const path = require('path')
const { Kafka, logLevel } = require(path.join(process.env.CLIENT_DIR, 'node_modules', 'kafkajs'))
const { config, buffered, sleep, dispose, parts, places, byTopic, reading, main } = require('../told/told.js')

const kafka = new Kafka({
  brokers: [config.brokers], logLevel: logLevel.NOTHING, requestTimeout: config.request_timeout_ms,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 },
})

// kafkajs reads as the member of a group, and hands over batches when it has them.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.joins = 0
    this.records = []
    this.consumer = kafka.consumer({
      groupId: group, readUncommitted: isolation === 'read_uncommitted', sessionTimeout: config.session_timeout_ms,
      heartbeatInterval: 300, maxWaitTimeInMs: 50,
    })
    this.consumer.on(this.consumer.events.GROUP_JOIN, () => this.joins++)
    this.started = this.start()
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch, heartbeat, isRunning, isStale }) => {
        const first = this.joins
        while (this.records.length >= buffered && isRunning()) {
          await sleep(20)
          await heartbeat()
        }
        // What was fetched before the group was joined again belongs to no assignment now.
        if (!isStale() && this.joins === first) {
          this.records.push(...batch.messages.map(({ offset, value }) => ({ partition: batch.partition, offset, value })))
        }
      },
    })
  }

  // At most max records. After a second assignment there are none: some of them would be
  // from before, and the offsets that it began with may be older than what was committed.
  take (max) {
    if (this.joins > 1) throw new Error('assigned a second time')
    return parts(this.topic, this.records.splice(0, max))
  }
}

const clients = { producer: null, reader: null, member: null }
let transaction = null

const told = {
  async open () {
    await told.drop({ what: 'producer' })
    clients.producer = kafka.producer({ transactionalId: config.transactional_id, idempotent: true, maxInFlightRequests: 1, transactionTimeout: config.txn_timeout_ms })
    await clients.producer.connect()
  },
  async begin () {
    transaction = await clients.producer.transaction()
  },
  // A batch for each partition, of which the answer has the first offset.
  async send ({ records }) {
    const batches = new Map()
    for (const { topic, partition, value } of records) {
      const at = `${topic} ${partition}`
      if (!batches.has(at)) batches.set(at, { topic, messages: [] })
      batches.get(at).messages.push({ partition, value: Buffer.from(value, 'base64') })
    }
    const answer = await transaction.sendBatch({ acks: -1, topicMessages: [...batches.values()] })
    return places(records, answer.map(a => ({ topic: a.topicName, partition: a.partition, offset: Number(a.baseOffset) })))
  },
  async offsets ({ offsets }) {
    await transaction.sendOffsets({ consumerGroupId: config.group, topics: byTopic(offsets) })
  },
  async commit () {
    await transaction.commit()
  },
  async abort () {
    await transaction.abort()
  },
  async drop ({ what }) {
    const client = clients[what]
    clients[what] = null
    if (what === 'producer') transaction = null
    if (client) await dispose(() => (client.consumer || client).disconnect())
  },
}

Object.assign(told, reading(told, clients, Feed))

// What kafkajs throws where nobody can catch it may have come from any of them.
process.on('uncaughtException', e => {
  console.error('uncaught:', e)
  for (const what of Object.keys(clients)) told.drop({ what })
})

main(told, order => {
  if (['commit', 'abort', 'send', 'offsets'].includes(order) && !transaction) throw new Error('no transaction')
}, e => ({ error: `${e.type || e.name}: ${e.message}` }))
