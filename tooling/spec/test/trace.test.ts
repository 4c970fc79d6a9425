/**
 * Every requirement of the drafts is proven or excused, and every proof points at a requirement.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import { balance, caseTraces, documents, marks, testTraces } from '../ledger.mjs'

const traces = [...caseTraces(), ...testTraces()]

describe('the trace', () => {
  it('leaves no MUST and no SHOULD unproven without a reason', () => {
    const { untraced } = balance(documents, traces)
    const missing = untraced.map(({ id, summary }) => `${id}: ${summary}`)
    expect(missing, 'nothing would notice if the code broke these').toEqual([])
  })

  it('points at requirements that exist', () => {
    const { adrift } = balance(documents, traces)
    expect(adrift, 'a case or a test proves what no draft says').toEqual([])
  })

  it('has whole documents: ids in order, without gaps, each with section, level and summary', () => {
    expect(documents.map(({ document }) => document)).toEqual(
      expect.arrayContaining(['core', 'charge']),
    )
    for (const { document, requirements } of documents)
      for (const [index, { id, section, level, summary, elsewhere }] of requirements.entries()) {
        expect(id).toBe(`${document}-${String(index + 1).padStart(3, '0')}`)
        expect(level).toMatch(/^(MUST|SHOULD)( NOT)?$/)
        expect(section).toMatch(/\S/)
        expect(summary).toMatch(/^\S.*\.$/)
        if (elsewhere !== undefined)
          expect(elsewhere, `${id} is excused without a reason`).toMatch(/\S.{20}/)
      }
  })

  it('excuses nothing that is proven', () => {
    const both = balance(documents, traces).rows.filter(
      ({ by, elsewhere }) => by.length > 0 && elsewhere,
    )
    expect(
      both.map(({ id }) => id),
      'an excuse that is no longer needed',
    ).toEqual([])
  })

  it('would notice what is missing and what points nowhere', () => {
    const requirement = { id: 'toy-001', section: 'Toys', level: 'MUST', summary: 'Toys are safe.' }
    const toy = { document: 'toy', title: 'Toys', requirements: [requirement] }
    expect(balance([toy], []).untraced.map(({ id }) => id)).toEqual(['toy-001'])
    expect(balance([toy], [{ by: 'toy/case', requirement: 'toy-001' }]).untraced).toEqual([])
    expect(balance([toy], [{ by: 'toy/case', requirement: 'toy-002' }]).adrift).toHaveLength(1)
  })

  it('reads ids out of the titles of tests, and out of nothing else', () => {
    const source = [
      "it('[core-017] sends the body', () => {})",
      'describe(`[core-018 charge-005] expiry`, () => {})',
      "it.each(cases)('[core-019] %s', () => {})",
      '// [core-020] is only talked about',
      "expect('[core-021]').toBe('a text')",
    ].join('\n')
    const found = marks('x.test.ts', source).map(({ requirement }) => requirement)
    expect(found).toEqual(['core-017', 'core-018', 'charge-005', 'core-019'])
  })
})
