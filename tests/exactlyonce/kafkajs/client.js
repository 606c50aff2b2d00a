// Transactions of kafkajs; copy_test.go says what each mode does.
'use strict'
const path = require('path')
const { Kafka, logLevel } = require(path.join(process.env.CLIENT_DIR, 'node_modules', 'kafkajs'))

const emit = event => process.stdout.write(JSON.stringify(event) + '\n')
let stopping = false

const client = brokers => new Kafka({
  brokers: [brokers], logLevel: logLevel.NOTHING, requestTimeout: 5000,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 30 },
})

const producer = async (kafka, transactionalId) => {
  const made = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 20000 })
  await made.connect()
  return made
}

// One transaction; false if it was aborted on purpose.
async function transact (out, group, target, batch, abort) {
  const { topic, partition, messages } = batch
  const transaction = await out.transaction()
  try {
    await transaction.send({ topic: target, acks: -1, messages: messages.map(m => ({ key: m.key, value: m.value, partition })) })
    if (!abort) {
      const offset = String(BigInt(messages[messages.length - 1].offset) + 1n)
      await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions: [{ partition, offset }] }] })
    }
  } catch (e) {
    await transaction.abort()
    throw e
  }
  await (abort ? transaction.abort() : transaction.commit())
  emit(abort ? { aborted: messages.length } : { committed: messages.length })
  return !abort
}

async function copy (brokers, transactionalId, group, source, target) {
  const kafka = client(brokers)
  const admin = kafka.admin()
  await admin.connect()
  let out = await producer(kafka, transactionalId)
  let turn = 0
  const consumer = kafka.consumer({ groupId: group, readUncommitted: false, sessionTimeout: 2000, heartbeatInterval: 300, maxWaitTimeInMs: 200 })
  // kafkajs asks for its group's offsets, whenever it joins, without waiting for transactions
  // that are being committed: it would read once more what is in such a one.
  let joined = false
  consumer.on(consumer.events.GROUP_JOIN, () => { joined = true })
  // Whether the last transaction was committed is for the next producer to settle, and for
  // the group's offsets to say.
  const settle = async partition => {
    joined = false
    await out.disconnect()
    out = await producer(kafka, transactionalId)
    const [fetched] = await admin.fetchOffsets({ groupId: group, topics: [source] })
    const committed = fetched.partitions.find(p => p.partition === partition)
    consumer.seek({ topic: source, partition, offset: committed.offset === '-1' ? '0' : committed.offset })
  }
  await consumer.connect()
  await consumer.subscribe({ topic: source, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (let i = 0; i < batch.messages.length && isRunning() && !isStale() && !stopping; i += 20) {
        const part = { topic: batch.topic, partition: batch.partition, messages: batch.messages.slice(i, i + 20) }
        try {
          if (joined) throw new Error('joined')
          while (!await transact(out, group, target, part, ++turn % 5 === 0));
        } catch (e) {
          emit({ fault: e.type || e.name })
          await settle(batch.partition)
          return
        }
        resolveOffset(part.messages[part.messages.length - 1].offset)
        await heartbeat()
      }
    },
  })
  await new Promise(resolve => { const look = setInterval(() => stopping && (clearInterval(look), resolve()), 50) })
  await consumer.disconnect()
  await out.disconnect()
  await admin.disconnect()
}

const outcome = async call => {
  try {
    await call()
    return 'ok'
  } catch (e) {
    return e.type || `${e.name}: ${e.message}`
  }
}

async function fence (brokers, transactionalId, topic) {
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 2 } })
  const write = (t, value) => t.send({ topic, acks: -1, messages: [{ value, partition: 0 }] })
  const first = await producer(kafka, transactionalId)
  const open = await first.transaction()
  await write(open, 'first')
  const second = await producer(kafka, transactionalId)
  const next = await second.transaction()
  await write(next, 'second')
  emit({ fact: 'the first one writes', result: await outcome(() => write(open, 'late')) })
  emit({ fact: 'the first one commits', result: await outcome(() => open.commit()) })
  emit({ fact: 'the second one commits', result: await outcome(() => next.commit()) })
  emit({ fact: 'it commits again', result: await outcome(() => next.commit()) })
  const empty = await second.transaction()
  emit({ fact: 'it commits an empty one', result: await outcome(() => empty.commit()) })
  const dropped = await second.transaction()
  await write(dropped, 'aborted')
  emit({ fact: 'it aborts', result: await outcome(() => dropped.abort()) })
  await first.disconnect()
  await second.disconnect()
}

process.stdin.on('data', () => {}).on('end', () => { stopping = true })
const [mode, ...args] = process.argv.slice(2)
const modes = { copy, fence }
modes[mode](...args).then(() => process.exit(0), e => { console.error(e); process.exit(1) })
