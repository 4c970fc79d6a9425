/**
 * The packages that only users of the Lightning sandbox install.
 *
 * @module
 */

/**
 * Imports an optional peer dependency.
 *
 * @param install - The names of the packages to install.
 * @param load - Imports it.
 * @throws Error that says what to install when it is missing.
 */
export async function importPeer<module>(
  install: string,
  load: () => Promise<module>,
): Promise<module> {
  try {
    return await load()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new Error(`This part of the sandbox needs: npm install --save-dev ${install}`, { cause })
  }
}
