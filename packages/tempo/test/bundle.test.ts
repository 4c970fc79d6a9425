/**
 * Bundles: one file runs wherever it is put, with nothing beside it, on Node as in a browser.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

/** A visitor proves an account to a page, twice. The chain tells its number and nothing else. */
const BOTH = `
  import { Mpp as Wallet } from '@polyrail/core/client'
  import { Mpp } from '@polyrail/core/server'
  import { tempo as paying } from '@polyrail/tempo/client'
  import { tempo } from '@polyrail/tempo/server'
  import { createClient, custom } from 'viem'
  import { privateKeyToAccount } from 'viem/accounts'

  const client = createClient({ transport: custom({ request: async () => '0x539' }) })
  const at = { client, chainId: 1337 }
  const account = privateKeyToAccount('0x${'11'.repeat(32)}')
  const recipient = '0x00000000000000000000000000000000000000aa'
  const mpp = Mpp.create({
    methods: [tempo({ recipient, ...at })],
    realm: 'shop.example',
    secretKey: 'a secret of this test, which is long enough',
  })
  const page = mpp.charge({ amount: '0' })(() => new Response('goods'))
  const fetch = (input, init) => page(new Request(input, init))
  const wallet = Wallet.create({ methods: [paying({ account, ...at })], policy: { max: '0' }, fetch })
  const answers = []
  for (let visit = 0; visit < 2; visit++)
    answers.push((await wallet.fetch('https://shop.example/')).status)
  console.log(answers.join())
`
const CLIENT = `import { tempo } from '@polyrail/tempo/client'\nconsole.log(typeof tempo)`
const SERVER = `import { tempo } from '@polyrail/tempo/server'\nconsole.log(typeof tempo)`

test.each([
  ['client and server', 'node', BOTH, '200,200'],
  ['client and server', 'browser', BOTH, '200,200'],
  ['a client', 'node', CLIENT, 'function'],
  ['a client', 'browser', CLIENT, 'function'],
  ['a server', 'node', SERVER, 'function'],
  ['a server', 'browser', SERVER, 'function'],
] as const)(
  'a bundle of %s for %s runs alone',
  async (_, platform, contents, said) => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'))
    try {
      const outfile = join(folder, 'bundle.mjs')
      const { metafile } = await build({
        stdin: { contents, resolveDir: import.meta.dirname },
        bundle: true,
        format: 'esm',
        platform,
        outfile,
        metafile: true,
        logLevel: 'error',
      })
      const inputs = Object.keys(metafile.inputs).join()
      if (platform === 'browser') expect(inputs).not.toMatch(/tiny-secp256k1/)
      const { stdout } = await promisify(execFile)(process.execPath, [outfile], { cwd: folder })
      expect(stdout.trim()).toBe(said)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  30_000,
)
