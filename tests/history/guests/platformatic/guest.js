// @platformatic/kafka as a guest of a load; README.md above says what it is told.
'use strict'
const { pathToFileURL } = require('node:url')
const { config, buffered, dispose, parts, places, reading, main } = require('../told/told.js')

let kafka // the module, which is loaded at the end

const options = {
  clientId: 'guest', bootstrapBrokers: [config.brokers], connectTimeout: 2000, requestTimeout: config.request_timeout_ms,
  retries: 400, retryDelay: 50, autocreateTopics: false,
}

// Feed reads as the member of a group, and keeps what the library's stream hands over.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.joins = 0
    this.records = []
    this.failed = null
    this.last = new Map() // message that was taken last, by partition
    this.consumer = new kafka.Consumer({
      ...options, groupId: group, sessionTimeout: config.session_timeout_ms, rebalanceTimeout: config.session_timeout_ms, heartbeatInterval: 300,
    })
    const fail = e => { this.failed ??= e }
    this.consumer.on('error', fail)
    this.consumer.on('consumer:heartbeat:error', ({ error }) => fail(error)) // it sends no heartbeat after one that failed
    this.consumer.on('consumer:group:join', () => this.joins++)
    this.started = this.start(isolation, fail)
  }

  async start (isolation, fail) {
    this.stream = await this.consumer.consume({
      topics: [this.topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxWaitTime: 50,
      isolationLevel: kafka.FetchIsolationLevels[isolation.toUpperCase()],
    })
    this.stream.on('error', fail)
    this.stream.on('data', m => {
      if (this.records.push(m) >= buffered) this.stream.pause()
    })
  }

  // At most max records. After a second assignment there are none: some of them would be
  // from before, and the offsets that it began with may be older than what was committed.
  take (max) {
    if (this.failed) throw this.failed
    if (this.joins > 1) throw new Error('assigned a second time')
    const taken = this.records.splice(0, max)
    for (const m of taken) this.last.set(m.partition, m)
    if (this.stream.isPaused()) this.stream.resume()
    return parts(this.topic, taken)
  }
}

const clients = { producer: null, reader: null, member: null }
let transaction = null

const told = {
  // The first transaction asks for the producer's id, and is over before it is told to
  // the broker. The library asks with producer 0 of epoch 0, unless it is told better:
  // whoever was 0 may go on, and everybody else is fenced.
  async open () {
    await told.drop({ what: 'producer' })
    clients.producer = new kafka.Producer({
      ...options, idempotent: true, transactionalId: config.transactional_id, timeout: config.txn_timeout_ms, producerId: -1n, producerEpoch: -1,
    })
    const first = await clients.producer.beginTransaction()
    await first.cancel()
  },
  async begin () {
    transaction = await clients.producer.beginTransaction()
  },
  // A batch for each partition, of which the answer has the first offset.
  async send ({ records }) {
    const { offsets } = await transaction.send({
      messages: records.map(({ topic, partition, value }) => ({ topic, partition, value: Buffer.from(value, 'base64') })),
    })
    return places(records, offsets.map(o => ({ topic: o.topic, partition: o.partition, offset: Number(o.offset) })))
  },
  // One after the other: of two at once the library sends the first.
  async offsets ({ offsets }) {
    await transaction.addConsumer(clients.member.consumer)
    for (const { partition, offset } of offsets) {
      const message = clients.member.last.get(partition)
      if (Number(message.offset) + 1 !== offset) throw new Error(`offset ${offset} is not behind ${message.offset}`)
      await transaction.addOffset(message)
    }
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
    if (client) await dispose(() => (client.consumer || client).close(true))
  },
}

Object.assign(told, reading(told, clients, Feed))

const text = e => [`${e.code || e.name}: ${e.message}`, ...(e.errors || []).slice(-2).map(text)].join('; ')

const check = order => {
  if (['commit', 'abort', 'send', 'offsets'].includes(order) && !transaction) throw new Error('no transaction')
}

// A producer that failed to send does not count what may be there all the same: its next
// batch would be taken for that one.
import(pathToFileURL(process.env.CLIENT_DIR + '/node_modules/@platformatic/kafka/dist/index.js')).then(module => {
  kafka = module
  return main(told, check, e => ({ error: text(e) }), order => order === 'send')
})
