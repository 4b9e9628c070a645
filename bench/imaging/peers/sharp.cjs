// sharp makes the same outputs in the arrangement named: node sharp.cjs FILE N THREADS TINT LAYOUT.
// "tint" is sharp's own (CIELAB), "recomb" a matrix, which is cheaper. Prints JSON.
const sharp = require('sharp')
const fs = require('fs')
const [, , file, count, threads, tint, layout] = process.argv
sharp.concurrency(Number(threads))
sharp.cache(false)
const src = fs.readFileSync(file)
const c = [255, 136, 0]
const luma = [0.299, 0.587, 0.114]
const yc = c.reduce((sum, v, i) => sum + v * luma[i], 0)
const matrix = c.map((v) => luma.map((l) => (v / yc) * l))

const colored = (s) => (tint === 'tint' ? s.tint({ r: c[0], g: c[1], b: c[2] }) : tint === 'recomb' ? s.recomb(matrix) : s)
const box = (s, side) => s.resize(side, side, { fit: 'inside', withoutEnlargement: true })
const full = { quality: 80, mozjpeg: false, optimiseCoding: false }
const small = { quality: 80, mozjpeg: false, optimiseCoding: true }

const layouts = {
  // Each output from the file by itself: the small ones decode at a fraction of the size.
  separate: async () => {
    await colored(sharp(src).rotate()).jpeg(full).toBuffer()
    await colored(box(sharp(src).rotate(), 1600)).jpeg(small).toBuffer()
    await colored(box(sharp(src).rotate(), 320)).jpeg(small).toBuffer()
  },
  // The same at once.
  together: () => Promise.all([
    colored(sharp(src).rotate()).jpeg(full).toBuffer(),
    colored(box(sharp(src).rotate(), 1600)).jpeg(small).toBuffer(),
    colored(box(sharp(src).rotate(), 320)).jpeg(small).toBuffer(),
  ]),
  // Full size by itself, the smallest from the middle one.
  chained: async () => {
    await colored(sharp(src).rotate()).jpeg(full).toBuffer()
    const { data, info } = await colored(box(sharp(src).rotate(), 1600)).raw().toBuffer({ resolveWithObject: true })
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } }
    await sharp(data, raw).jpeg(small).toBuffer()
    await box(sharp(data, raw), 320).jpeg(small).toBuffer()
  },
  // One decode into memory, colours once, everything from there.
  memory: async () => {
    const { data, info } = await colored(sharp(src).rotate()).raw().toBuffer({ resolveWithObject: true })
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } }
    await sharp(data, raw).jpeg(full).toBuffer()
    const large = await box(sharp(data, raw), 1600).raw().toBuffer({ resolveWithObject: true })
    const rawLarge = { raw: { width: large.info.width, height: large.info.height, channels: large.info.channels } }
    await sharp(large.data, rawLarge).jpeg(small).toBuffer()
    await box(sharp(large.data, rawLarge), 320).jpeg(small).toBuffer()
  },
}

async function main () {
  await layouts[layout]()
  const cpu = process.cpuUsage()
  const wall = process.hrtime.bigint()
  for (let i = 0; i < Number(count); i++) await layouts[layout]()
  const used = process.cpuUsage(cpu)
  const status = fs.existsSync('/proc/self/status') ? fs.readFileSync('/proc/self/status', 'utf8') : ''
  console.log(JSON.stringify({
    cpuMs: (used.user + used.system) / 1000 / count,
    wallMs: Number(process.hrtime.bigint() - wall) / 1e6 / count,
    peakMb: Number((/VmHWM:\s+(\d+)/.exec(status) || [0, 0])[1]) / 1024,
  }))
}
main().catch((err) => { console.error(err.message); process.exit(1) })
