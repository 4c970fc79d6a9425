/**
 * What the checks read: the tracked files and the manifests of this repository.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository, with a trailing separator. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Every file that git tracks or would track, relative to the root, with forward slashes. */
export const files: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)))

/** The text of a file, given relative to the root. */
export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** A workspace package: where it is, what its package.json says, and its tag in turbo.json. */
export type Package = {
  readonly folder: string
  readonly manifest: Manifest
  readonly tag: string | undefined
}

/** The fields of a package.json that some check reads. */
export type Manifest = {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly license?: string
  readonly description?: string
  readonly type?: string
  readonly engines?: { readonly node?: string }
  readonly files?: readonly string[]
  readonly exports?: Readonly<Record<string, unknown>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Every package of the workspace. */
export const packages: readonly Package[] = files
  .filter((file) => /^(packages|tooling|examples)\/[^/]+\/package\.json$/.test(file))
  .map((file) => dirname(file))
  .map((folder) => ({
    folder,
    manifest: JSON.parse(read(`${folder}/package.json`)),
    tag: files.includes(`${folder}/turbo.json`)
      ? JSON.parse(read(`${folder}/turbo.json`)).tags?.[0]
      : undefined,
  }))

/** The packages that npm will get. */
export const published = packages.filter(({ manifest }) => manifest.private !== true)

/** The lines of `file` that match, as `file:line: text`. */
export function matches(file: string, pattern: RegExp): readonly string[] {
  return read(file)
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []))
}
