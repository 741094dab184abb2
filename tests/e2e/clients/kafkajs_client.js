// A kafkajs program: producer and group members (see README.md).
//
// The library has no linger and no reading without a group. A send is one request, and one for
// several partitions can forget some without a word: when it is answered in part and a leader moves
// to who answered (its sendMessages.js). So each partition sends by itself what has come up since
// its last answer.
'use strict'
const fs = require('fs')
const path = require('path')
const readline = require('readline')
const library = path.join(__dirname, '../../../build/deps/node/node_modules/kafkajs')
const { Kafka, CompressionTypes, logLevel } = require(library)

const POLL_MAX = 100
const options = Object.fromEntries(
  process.argv.slice(2).map(a => [a.slice(0, a.indexOf('=')), a.slice(a.indexOf('=') + 1)]),
)
const client = options.client || 'kafkajs'
const topic = options.topic
let quiet = false
let stopped
const stop = new Promise(resolve => (stopped = resolve))

function event(name, more = {}) {
  process.stdout.write(
    JSON.stringify({ time: Date.now() / 1000, event: name, client, ...more }) + '\n',
  )
}

function usage(why) {
  process.stderr.write(`usage: ${why}\n`)
  process.exit(2)
}

function choose(key, otherwise, ...allowed) {
  const value = key in options ? options[key] : otherwise
  if (!allowed.includes(value)) usage(`${key}=${value}: this program knows ${allowed.join(', ')}`)
  return value
}

const number = (key, otherwise) => Number(key in options ? options[key] : otherwise)
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const acks = choose('acks', 'all', '0', '1', 'all')
const idempotent = choose('idempotent', String(acks === 'all'), 'true', 'false') === 'true'
const compression = choose('compression', 'none', 'none', 'gzip')
const partitions = number('partitions', 1)
const roles = options.roles || 'produce'
if (roles.includes('consume') && !options.group) usage('kafkajs does not read without group=')

// The library leaves verifying to Node, which looks at the host name too.
function tls() {
  const given = ['tls_ca', 'tls_cert', 'tls_key'].filter(key => options[key])
  if (given.length === 0) return undefined
  if (!options.tls_ca || given.length === 2)
    usage('tls_cert= and tls_key= want each other and tls_ca=')
  return Object.fromEntries(given.map(key => [key.slice(4), fs.readFileSync(options[key])]))
}

// An unsecured JWT of the user, valid for an hour from now.
async function token() {
  const now = Math.floor(Date.now() / 1000)
  const parts = [{ alg: 'none' }, { sub: options.user, iat: now, exp: now + 3600 }]
  const words = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  return { value: [...words, ''].join('.') }
}

function sasl() {
  const known = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']
  const { user: username, password } = options
  if (!options.sasl) return undefined
  const name = choose('sasl', 'PLAIN', ...known)
  if (!username || !(password || name === 'OAUTHBEARER'))
    usage(`sasl=${name} wants user= and password=`)
  const mechanism = name.toLowerCase()
  return name === 'OAUTHBEARER'
    ? { mechanism, oauthBearerProvider: token }
    : { mechanism, username, password }
}

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const kafka = new Kafka({
  clientId: client,
  brokers: (options.bootstrap || '').split(','),
  ssl: tls(),
  sasl: sasl(),
  logLevel: logLevel.WARN,
  logCreator:
    () =>
    ({ namespace, log }) =>
      event('warning', {
        what: namespace,
        text: log.error ? `${log.message}: ${log.error}` : log.message,
      }),
})

async function produce() {
  const producer = kafka.producer(idempotent ? { idempotent: true, maxInFlightRequests: 1 } : {})
  try {
    await producer.connect()
  } catch (error) {
    event('error', { what: 'connect', text: String(error) })
  }
  const waiting = Array.from({ length: partitions }, () => [])
  const senders = waiting.map(() => null)

  async function sender(partition) {
    for (let names; (names = waiting[partition].splice(0)).length > 0;) {
      const messages = names.map(value => ({ value: value + padding, partition }))
      try {
        const [answer] = await producer.send({
          topic,
          messages,
          acks: acks === 'all' ? -1 : Number(acks),
          compression: compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None,
        })
        names.forEach((value, i) =>
          event('acked', {
            topic,
            partition,
            offset: answer && acks !== '0' ? Number(answer.baseOffset) + i : null,
            value,
          }),
        )
      } catch (error) {
        names.forEach(value => event('error', { what: 'produce', text: String(error), value }))
      }
    }
    senders[partition] = null
  }

  const padding = ' '.repeat(number('size', 0))
  const rate = number('rate', 100)
  const count = number('count', 0)
  const begin = Date.now()
  let n = 0
  for (; !quiet && (count === 0 || n < count); n++) {
    const value = `${client}:${n}`
    const partition = n % partitions
    event('sent', { topic, partition, value })
    waiting[partition].push(value)
    if (!senders[partition]) senders[partition] = sender(partition)
    const ahead = begin + (1000 * (n + 1)) / rate - Date.now()
    if (ahead >= 1) await sleep(ahead)
  }
  await Promise.all(senders)
  event('produced', { count: n })
  await producer.disconnect()
}

async function consume(member) {
  const consumer = kafka.consumer({
    groupId: options.group,
    sessionTimeout: 20000,
    heartbeatInterval: 1000,
    minBytes: 10000,
    maxWaitTimeInMs: number('fetch_wait', 100),
  })
  let held = []
  const say = (name, list) => event(name, { member, partitions: list.map(p => `${topic}-${p}`) })
  const revoke = () => {
    if (held.length > 0) say('revoked', held)
    held = []
  }
  consumer.on('consumer.rebalancing', revoke)
  consumer.on('consumer.stop', revoke)
  consumer.on('consumer.group_join', ({ payload }) => {
    revoke() // it says nothing before it joins anew as an unknown member
    say('assigned', (held = payload.memberAssignment[topic] || []))
  })
  consumer.on('consumer.crash', ({ payload }) =>
    event('error', { what: 'crash', member, text: String(payload.error) }),
  )

  const eachBatch = async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
    const { partition, messages } = batch
    for (let at = 0; at < messages.length && isRunning() && !isStale(); at += POLL_MAX) {
      const some = messages.slice(at, at + POLL_MAX)
      for (const m of some)
        event('polled', {
          member,
          topic,
          partition,
          offset: Number(m.offset),
          value: m.value.toString().trimEnd(),
        })
      const last = some[some.length - 1].offset
      const next = Number(last) + 1
      resolveOffset(last)
      try {
        await consumer.commitOffsets([{ topic, partition, offset: String(next) }])
        event('committed', { member, topic, partition, offset: next })
      } catch (error) {
        event('error', { what: 'commit', member, text: String(error) })
        throw error
      }
      await heartbeat()
    }
  }
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch })
  } catch (error) {
    event('error', { what: 'consumer', member, text: String(error) })
  }
  await stop
  await consumer.disconnect()
}

async function main() {
  event('start', {
    library: 'kafkajs',
    version: require(`${library}/package.json`).version,
    idempotent,
  })
  const running = []
  if (roles.includes('consume'))
    for (let m = 0; m < number('members', 1); m++) running.push(consume(m))
  if (roles.includes('produce')) running.push(produce())
  const input = readline.createInterface({ input: process.stdin })
  input.on('line', line => (quiet = quiet || line === 'quiet'))
  input.on('close', () => {
    quiet = true
    stopped()
  })
  await stop
  await Promise.all(running)
  event('closed')
}

main().then(() => process.exit(0))
