/**
 * Bundles: each wallet comes alone, and what runs everywhere takes nothing from Node.
 *
 * @module
 */
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const bundle = async (name: string, platform: 'browser' | 'neutral') => {
  const { metafile } = await build({
    stdin: {
      contents: `import { ${name} } from '@polyrail/lightning/${name}'\nconsole.log(${name})`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: 'esm',
    platform,
    mainFields: ['module', 'main'],
    write: false,
    metafile: true,
    logLevel: 'error',
  })
  return Object.keys(metafile.inputs)
}

test.each(['lnd', 'phoenixd', 'nwc', 'spark'])(
  '%s runs in a browser and at the edge',
  async (name) => {
    const others = ['lnd', 'phoenixd', 'nwc', 'spark'].filter((other) => other !== name)
    for (const platform of ['browser', 'neutral'] as const) {
      const inputs = await bundle(name, platform)
      expect(inputs.filter((input) => /\/ws\/|websocket\.node/.test(input))).toEqual([])
      for (const other of others)
        expect(inputs.filter((input) => input.endsWith(`/dist/${other}.js`))).toEqual([])
      if (name === 'lnd' || name === 'phoenixd')
        expect(inputs.filter((input) => input.includes('node_modules/.pnpm'))).toEqual([])
    }
  },
)
