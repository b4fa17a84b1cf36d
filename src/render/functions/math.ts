import { RenderRefusal } from '../template.ts'
import type { TemplateFunction } from './function.ts'
import { numberOf } from './logic.ts'

const ANY_NUMBER = Number.POSITIVE_INFINITY

/** Numbers (reference: courier 7.3, Math helpers). A text that is written like a number is one; all else is refused. */
export const MATH: Readonly<Record<string, TemplateFunction>> = {
  abs: maths('abs', 1, 1, ([a]) => Math.abs(a!)),
  add: maths('add', 2, ANY_NUMBER, (values) => tidy(values.reduce((sum, value) => sum + value, 0))),
  ceil: maths('ceil', 1, 1, ([a]) => Math.ceil(a!)),
  divide: maths('divide', 2, 2, ([a, b]) => tidy(a! / divisor(b!, 'divide'))),
  floor: maths('floor', 1, 1, ([a]) => Math.floor(a!)),
  inc: maths('inc', 1, 2, ([a, by = 1]) => tidy(a! + by)),
  mod: maths('mod', 2, 2, ([a, b]) => tidy(a! % divisor(b!, 'mod'))),
  multiply: maths('multiply', 2, ANY_NUMBER, (values) => tidy(values.reduce((product, value) => product * value, 1))),
  /** To a whole number, or to so many digits behind the point. */
  round: maths('round', 1, 2, ([a, digits = 0]) => rounded(a!, digits)),
  subtract: maths('subtract', 2, 2, ([a, b]) => tidy(a! - b!)),
  sub: maths('sub', 2, 2, ([a, b]) => tidy(a! - b!)),
}

function maths(name: string, least: number, most: number, calculate: (values: readonly number[]) => number): TemplateFunction {
  return {
    least,
    most,
    call(values) {
      const result = calculate(values.map((value) => numberIn(value, name)))
      if (!Number.isFinite(result)) throw new RenderRefusal(`'${name}' comes to more than a number can hold.`)
      return result
    },
  }
}

function numberIn(value: unknown, name: string): number {
  const number = numberOf(value)
  if (number === null) throw new RenderRefusal(`'${name}' was given what is no number.`)
  return number
}

function divisor(value: number, name: string): number {
  if (value === 0) throw new RenderRefusal(`'${name}' was given 0 to divide by.`)
  return value
}

/** A sum of prices reads as one: 0.1 + 0.2 is 0.3. A double holds 15 digits that were written in decimals. */
function tidy(value: number): number {
  return Number.isInteger(value) || !Number.isFinite(value) ? value : Number(value.toPrecision(15))
}

/** Halves go away from zero: 1.5 gives 2, -1.5 gives -2. In decimals, as they are written: 1.005 to 2 digits gives 1.01. */
function rounded(value: number, digits: number): number {
  if (!Number.isInteger(digits) || digits < 0 || digits > 15) throw new RenderRefusal("'round' takes 0 to 15 digits.")
  return Math.sign(value) * shifted(Math.round(shifted(Math.abs(value), digits)), -digits)
}

/** By so many decimal places, with no sum of binary fractions on the way. */
function shifted(value: number, places: number): number {
  const [digits, exponent = '0'] = String(value).split('e')
  return Number(`${digits}e${Number(exponent) + places}`)
}
