/**
 * The code in the documents: every `ts` block must compile against the built packages, as its reader would type it.
 *
 * An HTML comment `<!-- given … -->` right before a block declares what the block takes for granted.
 *
 * @module
 */
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { files, read, root } from '../repository.js'

const documents = files.filter((file) =>
  /^((packages|examples)\/[^/]+\/README|README|ARCHITECTURE|CONTRIBUTING)\.md$/.test(file),
)

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
}

test('the code in every document compiles', { timeout: 120_000 }, () => {
  const blocks = new Map(documents.flatMap(blocksOf))
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (file) => blocks.has(file) || fileExists(file)
  host.readFile = (file) => blocks.get(file) ?? readFile(file)
  host.getSourceFile = (file, ...rest) => {
    const block = blocks.get(file)
    return block === undefined
      ? getSourceFile(file, ...rest)
      : ts.createSourceFile(file, block, ...rest)
  }
  const program = ts.createProgram([...blocks.keys()], options, host)
  const problems = ts.getPreEmitDiagnostics(program).map((problem) => {
    const text = ts.flattenDiagnosticMessageText(problem.messageText, '\n')
    if (problem.file === undefined) return text
    const { line } = problem.file.getLineAndCharacterOfPosition(problem.start ?? 0)
    return `${problem.file.fileName.replace(root, '')} line ${line + 1}: ${text}`
  })
  expect(problems, 'a reader who copies this would get an error').toEqual([])
})

/**
 * The blocks of one document, each as a file that would lie beside it and is as long as the document up to it, so that
 * line numbers agree. Those of the root stand here, where every package is installed.
 */
function blocksOf(document: string): (readonly [file: string, code: string])[] {
  const lines = read(document)
  const folder = /^(packages|examples)\//.test(document) ? dirname(document) : 'tooling/checks'
  const pattern = /(?:<!-- given\n([^]*?)-->\n+)?^```ts[^\n]*\n([^]*?)^```$/gm
  return [...lines.matchAll(pattern)].map(({ 1: given = '', 2: code = '', index, 0: all }) => {
    const above = lines.slice(0, index + all.indexOf(code)).split('\n').length - 1
    const name = `${document.replaceAll('/', '-')}-${above + 1}.ts`
    const padding = '\n'.repeat(above - (given.split('\n').length - 1))
    return [join(root, folder, name), `${padding}${given}${code}`] as const
  })
}
