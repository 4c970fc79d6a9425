/**
 * A local chain and a payer on it, and credentials that any server of this protocol takes, made before the clock runs.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Challenge, Credential } from '@polyrail/core'
import { concat, encodeFunctionData, keccak256, maxUint256, pad, slice, toHex } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Abis, Account, Transaction } from 'viem/tempo'
import { flat } from './terms.mjs'

/** @typedef {{ rpcUrl: string, chainId: number, recipient: `0x${string}` }} Place */

/** Starts the chain. */
export async function openTill() {
  const child = fork(fileURLToPath(new URL('chain.mjs', import.meta.url)), { execArgv: [] })
  const answer = () => new Promise((resolve) => child.once('message', resolve))
  process.once('disconnect', () => process.exit())
  const place = /** @type {Place} */ (await answer())
  /** @returns an account with enough of every token */
  async function createAccount() {
    const account = Account.fromSecp256k1(generatePrivateKey())
    const funded = answer()
    child.send(account.address)
    await funded
    return account
  }
  const payer = await createAccount()
  return {
    ...place,
    createAccount,
    /** @param {boolean} isSponsored whether the server pays the fee */
    payer: (isSponsored) => (/** @type {number} */ _, /** @type {Response} */ response) =>
      pay(payer, { ...place, isSponsored, response }),
  }
}

const digest = (/** @type {string} */ text, /** @type {number} */ size) =>
  slice(keccak256(toHex(text)), 0, size)

/**
 * Answers a 402 as the deployed client does: by a transaction whose memo names the challenge.
 *
 * @param {Account.RootAccount} account
 * @param {Place & { isSponsored: boolean, response: Response }} visit
 */
async function pay(account, { chainId, isSponsored, response }) {
  const [challenge] = Challenge.parse(response.headers)
  if (!challenge) throw new Error('The subject is wrong: it asks for no payment.')
  const { amount, currency, recipient } = /** @type {any} */ (challenge.request)
  const memo = concat([
    digest('mpp', 4),
    '0x01',
    digest(challenge.realm, 10),
    pad('0x', { size: 10 }),
    digest(challenge.id, 7),
  ])
  const data = encodeFunctionData({
    abi: Abis.tip20,
    functionName: 'transferWithMemo',
    args: [recipient, BigInt(amount), memo],
  })
  const signature = await account.signTransaction(
    {
      type: 'tempo',
      chainId,
      calls: [{ to: currency, data }],
      gas: 400_000n,
      maxFeePerGas: 30_000_000_000n,
      maxPriorityFeePerGas: 0n,
      nonceKey: maxUint256,
      nonce: 0,
      validBefore: Math.floor(Date.now() / 1000) + 25,
      ...(isSponsored ? { feePayerSignature: null } : { feeToken: currency }),
    },
    { serializer: Transaction.serialize },
  )
  const source = `did:pkh:eip155:${chainId}:${account.address}`
  const payload = { type: 'transaction', signature }
  return {
    authorization: flat(Credential.serialize({ challenge: challenge.wire, payload, source })),
  }
}
