/** What is used of MJML, which comes without types. */
declare module 'mjml-core' {
  interface Options {
    readonly presets: readonly unknown[]
    readonly fonts: Readonly<Record<string, string>>
    readonly ignoreIncludes: boolean
    readonly keepComments: boolean
    readonly validationLevel: 'strict' | 'soft' | 'skip'
  }
  type ToHtml = (source: string, options: Options) => Promise<{ readonly html: string }>
  const core: ToHtml | { readonly default: ToHtml }
  export default core
}

declare module 'mjml-preset-core' {
  const preset: unknown
  export default preset
}
