// The library's draws: NumPy's default_rng, which is PCG64 seeded by a SeedSequence of 32-bit words. The same seeds
// give the same integers, so a rank computed in the browser is one that `certify_rank` finds again.
export const generator = (...seeds) => {
  const words = seeds.flatMap((seed) => (seed < 2 ** 32 ? [seed] : [seed >>> 0, Math.floor(seed / 2 ** 32)]));
  const hasher = (constant, factor) => (value) => {
    value ^= constant;
    constant = Math.imul(constant, factor);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  };
  const mix = (x, y) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return mixed ^ (mixed >>> 16);
  };
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = [0, 1, 2, 3].map((at) => hash(words[at] ?? 0));
  for (let from = 0; from < Math.max(4, words.length); from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) pool[to] = mix(pool[to], hash(from < 4 ? pool[from] : words[from]));
    }
  }
  const spread = hasher(0x8b51f9dd, 0x58f38ded);
  const drawn = Array.from({ length: 8 }, (_, at) => BigInt(spread(pool[at % 4]) >>> 0));
  const wide = (at) => (drawn[at + 1] << 96n) | (drawn[at] << 64n) | (drawn[at + 3] << 32n) | drawn[at + 2];
  const increment = (wide(4) << 1n) | 1n;
  const step = (state) => BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + increment);
  let state = step(BigInt.asUintN(128, increment + wide(0)));
  let kept; // the upper half of the last 64 bits
  const next32 = () => {
    if (kept !== undefined) {
      const half = kept;
      kept = undefined;
      return half;
    }
    state = step(state);
    const [folded, turn] = [BigInt.asUintN(64, state ^ (state >> 64n)), state >> 122n];
    const bits = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    kept = Number(bits >> 32n);
    return Number(bits & 0xffffffffn);
  };
  // An integer below n < 2³¹, by Lemire's rejection: the upper half of a product of 63 bits, taken exactly.
  return (n) => {
    if (n === 1) return 0;
    for (;;) {
      const bits = next32();
      const low = Math.imul(bits, n) >>> 0;
      if (low >= 2 ** 32 % n) return Math.round((bits * n - low) / 2 ** 32);
    }
  };
};
