// One MLS client with one group, driven by JSON lines: {"op", …} on stdin, one answer each on stdout.
// A commit is kept aside until the server has taken it ("accept"), as RFC 9420 section 14 asks.
import { createInterface } from "node:readline"
import {
  bytesToBase64, createApplicationMessage, createCommit, createGroup, createProposal, decodeMlsMessage, defaultCapabilities,
  defaultLifetime, emptyPskIndex, encodeMlsMessage, generateKeyPackageWithKey, getCiphersuiteFromName, getCiphersuiteImpl,
  joinGroup, processPrivateMessage,
} from "ts-mls"

const suite = await getCiphersuiteImpl(getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"))
const signature = await suite.signature.keygen()
const packages = []
let state, pending

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"))
const wire = (wireformat, content) => bytesToBase64(encodeMlsMessage({ version: "mls10", wireformat, ...content }))
const read = (text) => decodeMlsMessage(bytes(text), 0)[0]
const epoch = () => Number(state.groupContext.epoch)

async function newPackage(identity) {
  const credential = { credentialType: "basic", identity: new TextEncoder().encode(identity) }
  const made = await generateKeyPackageWithKey(credential, defaultCapabilities(), defaultLifetime, [], signature, suite)
  packages.push(made)
  return made
}

async function commit(extraProposals) {
  pending = await createCommit({ state, cipherSuite: suite }, { extraProposals, ratchetTreeExtension: true })
  const welcome = pending.welcome && wire("mls_welcome", { welcome: pending.welcome })
  return { commit: bytesToBase64(encodeMlsMessage(pending.commit)), welcome }
}

const operations = {
  async publish({ identity, count }) {
    const made = []
    for (let number = 0; number < count; number++) {
      made.push(wire("mls_key_package", { keyPackage: (await newPackage(identity)).publicPackage }))
    }
    return { packages: made, identityKey: bytesToBase64(signature.publicKey) }
  },
  async create({ identity, group }) {
    const { publicPackage, privatePackage } = await newPackage(identity)
    state = await createGroup(new TextEncoder().encode(group), publicPackage, privatePackage, [], suite)
    return { epoch: epoch() }
  },
  async add({ packages: others }) {
    return commit(others.map((one) => ({ proposalType: "add", add: { keyPackage: read(one).keyPackage } })))
  },
  async update() {
    return commit([])
  },
  async propose({ packages: [other] }) {
    const proposal = { proposalType: "add", add: { keyPackage: read(other).keyPackage } }
    const made = await createProposal(state, false, proposal, suite)
    state = made.newState
    return { proposal: bytesToBase64(encodeMlsMessage(made.message)) }
  },
  async accept() {
    state = pending.newState
    pending = undefined
    return { epoch: epoch() }
  },
  async join({ welcome }) {
    const read_welcome = read(welcome).welcome
    for (const own of packages) {
      try {
        state = await joinGroup(read_welcome, own.publicPackage, own.privatePackage, emptyPskIndex, suite)
        return { epoch: epoch() }
      } catch (error) {
        if (own === packages.at(-1)) throw error
      }
    }
  },
  async receive({ message }) {
    const result = await processPrivateMessage(state, read(message).privateMessage, emptyPskIndex, suite)
    state = result.newState
    if (result.kind === "applicationMessage") return { text: new TextDecoder().decode(result.message) }
    pending = undefined
    return { epoch: epoch() }
  },
  async encrypt({ text }) {
    const made = await createApplicationMessage(state, new TextEncoder().encode(text), suite)
    state = made.newState
    return { message: wire("mls_private_message", { privateMessage: made.privateMessage }) }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...more } = JSON.parse(line)
  let answer
  try {
    answer = await operations[op](more)
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
