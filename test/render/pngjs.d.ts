/** What is used of pngjs, which comes without types. */
declare module 'pngjs' {
  interface Picture {
    readonly width: number
    readonly height: number
    readonly data: Buffer
  }
  export const PNG: {
    readonly sync: {
      read(file: Buffer): Picture
      write(picture: Picture, options: { colorType: number; inputHasAlpha: boolean; deflateLevel: number }): Buffer
    }
  }
}
