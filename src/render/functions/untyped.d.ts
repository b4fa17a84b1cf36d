/** What we use of two libraries that come without types. */

declare module 'sprintf-js' {
  export function vsprintf(format: string, values: readonly unknown[]): string
}

declare module 'strftime' {
  /** Of a date it asks what a Date tells of its own zone. */
  const strftime: (format: string, date: Date) => string
  export default strftime
}
