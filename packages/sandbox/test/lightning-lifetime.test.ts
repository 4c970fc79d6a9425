import { Lightning } from '@polyrail/sandbox/lightning'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { bill, payOne } from './bill.js'

const run = promisify(execFile)
const owner = fileURLToPath(new URL('lightning-owner.mjs', import.meta.url))

describe('the process ends by itself after stop', () => {
  test.each([
    ['that has paid', 'pay', 'paid\n'],
    ['with a payment under way', 'held', 'the Lightning network is stopped\n'],
  ])('one %s', { timeout: 20_000 }, async (_name, mode, output) => {
    const { stdout } = await run(process.execPath, [owner, mode])
    expect(stdout).toBe(output)
  })

  test('and prints one line unless quiet', { timeout: 20_000 }, async () => {
    const { stdout } = await run(process.execPath, [owner, 'loud'])
    expect(stdout).toMatch(
      /^Lightning network of 2 nodes, channel of 100000000 sat, ready in \d+ ms\npaid\n$/,
    )
  })
})

test('the line goes where it is told', async () => {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  await using _ = await Lightning.start({ log })
  await using _quiet = await Lightning.start({ log, quiet: true })
  expect(lines).toEqual([expect.stringMatching(/ready in \d+ ms$/)])
})

test('several networks at once are apart', async () => {
  const networks = await Promise.all([1, 2, 3].map(() => Lightning.start({ quiet: true })))
  const [first, second] = networks as [Lightning.Network, Lightning.Network]
  expect(await payOne(first.payer, first.payee)).toMatchObject({ status: 'paid' })
  expect(second.payee.income.count).toBe(0)
  expect(await first.payer.payInvoice(bill(second.payee))).toMatchObject({ status: 'failed' })
  await expect(first.node({ peer: second.payee })).rejects.toThrow(/not of this network/)
  await Promise.all(networks.map((network) => network.stop()))
})

test('stop may be called twice, and ends what is under way with an error', async () => {
  const network = await Lightning.start({ quiet: true })
  const { payer, payee } = network
  const hold = payee.hold()
  const paying = payOne(payer, payee).catch((error: Error) => error.message)
  await hold.arrived()
  const hanging = payer.fault({ call: 'lookupPayment', fail: 'hang' })
  const looking = payer.lookupPayment(bill(payee)).catch((error: Error) => error.message)
  await Promise.all([network.stop(), network.stop()])
  expect(await paying).toBe('the Lightning network is stopped')
  expect(await looking).toMatch(/connection/)
  expect(hanging.hits).toBe(1)
  await expect(payOne(payer, payee)).rejects.toThrow(/stopped/)
})

test('a node may join while others pay', async () => {
  await using network = await Lightning.start({ quiet: true })
  const { payer, payee } = network
  const [nodes, paid] = await Promise.all([
    Promise.all([network.node(), network.node({ peer: payer })]),
    Promise.all(Array.from({ length: 20 }, () => payOne(payer, payee))),
  ])
  expect(nodes.map(({ balance }) => balance)).toEqual([50_000_000_000n, 50_000_000_000n])
  expect(paid.filter(({ status }) => status !== 'paid')).toEqual([])
})

test.each([
  ['start()', 'lightningdevkit'],
  ['relay()', 'ws nostr-tools'],
])('what %s needs is named when it is missing', async (call, install) => {
  // Away from any node_modules.
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-bare-'))
  await cp(new URL('../dist', import.meta.url), join(folder, 'dist'), { recursive: true })
  await cp(new URL('../package.json', import.meta.url), join(folder, 'package.json'))
  const script = `import { Lightning } from './dist/lightning.js'; await Lightning.${call}`
  const failed = run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder })
  await expect(failed).rejects.toMatchObject({
    stderr: expect.stringContaining(`npm install --save-dev ${install}`),
  })
  await rm(folder, { recursive: true })
})
