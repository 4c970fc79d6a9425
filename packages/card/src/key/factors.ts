/**
 * Whether an RSA modulus has factors that anybody finds at once.
 *
 * @module
 */

/** The primes below 2^17, so that 65537 is among them. */
const PRIMES = primesBelow(2 ** 17)

/** By Eratosthenes. */
function primesBelow(end: number): readonly number[] {
  const isComposite = new Uint8Array(end)
  const primes: number[] = []
  for (let number = 2; number < end; number++) {
    if (isComposite[number]) continue
    primes.push(number)
    for (let multiple = number * number; multiple < end; multiple += number)
      isComposite[multiple] = 1
  }
  return primes
}

/** Whether a number has a small factor, or its factors are known by the way they were made. */
export function isFactored(value: bigint): boolean {
  return (
    PRIMES.some((prime) => value % BigInt(prime) === 0n) ||
    isLopsided(value) ||
    isOfPowers(value) ||
    isOfNeighbours(value) ||
    isOfOnePrime(value)
  )
}

/** A number of long runs of equal bytes is no product of two random primes. */
function isLopsided(value: bigint): boolean {
  const hex = value.toString(16)
  return new Set(hex.match(/../g)).size < 64
}

/**
 * For a prime, the powers of 65537; only where some numbers are none. A chip made both factors of such powers for every
 * prime to 701 (CVE-2017-15361).
 */
const POWERS: readonly (readonly [prime: bigint, powers: ReadonlySet<number>])[] = PRIMES.flatMap(
  (prime) => {
    if (prime === 2 || prime > 701) return []
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65_537) % prime) powers.add(power)
    return powers.size < prime - 1 ? [[BigInt(prime), powers]] : []
  },
)

const isOfPowers = (value: bigint): boolean =>
  POWERS.every(([prime, powers]) => powers.has(Number(value % prime)))

/** Fermat finds two factors that are close to each other, or the same, within a few steps (CVE-2022-26320). */
function isOfNeighbours(value: bigint): boolean {
  let middle = rootOf(value - 1n) + 1n
  for (let step = 0; step < 100; step++, middle++) {
    const square = middle * middle - value
    const root = rootOf(square)
    if (root * root === square) return true
  }
  return false
}

/**
 * A prime, or a power of one, divides 2^n − 2 (Fermat), as two primes that do not know of each other do not. Moduli above the
 * 4096 bits that the draft names are not asked: half a second for the largest would keep a vault busy.
 */
const isOfOnePrime = (value: bigint): boolean =>
  value < 2n ** 4096n && divisorOf(powerOfTwo(value) - 2n, value) !== 1n

/** 2^n modulo n. */
function powerOfTwo(value: bigint): bigint {
  let power = 1n
  for (const bit of value.toString(2)) power = ((power * power) << BigInt(bit)) % value
  return power
}

/** The greatest common divisor, by Euclid. */
function divisorOf(one: bigint, other: bigint): bigint {
  let [larger, smaller] = [other, one]
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller]
  return larger
}

/** The whole part of a square root, by Newton. */
function rootOf(value: bigint): bigint {
  if (value < 2n) return value
  let root = 1n << BigInt(value.toString(16).length * 2)
  for (;;) {
    const next = (root + value / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
