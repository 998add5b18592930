// The explorer of expressive efficiency, as in views/efficiency.py: the rank that a number of parameters buys.
export const efficiencyView = async ({ B, C, target }, certify) => {
  const { grouped } = marks;
  const [CHANNELS, SATURATED] = [[1, 2, 3, 4, 6, 8], 256];
  const plans = networks(generator);
  const networkOf = (B, C) => commonCase(B, 2, 4, C);
  const parametersOf = (B, C) => plans.weightCounts(networkOf(B, C)).reduce((sum, count) => sum + count, C);
  const known = new Map();
  const learn = async (pairs) => {
    const asked = pairs.map(([B, C]) => networkOf(B, C));
    const cut = "left-right";
    const questions = asked.map((network) => ({ network, cut, rows: SATURATED, seed: 0, prime: DEFAULT_PRIME }));
    (await certify(questions)).forEach(({ rank }, at) => known.set(pairs[at].join(), rank));
  };
  const rankOf = (B, C) => known.get(`${B},${C}`);

  // A network is saturated if a narrower one is, because it contains the narrower one.
  const fields = [...new Set([1, 2, 3, B])];
  await learn(fields.flatMap((field) => CHANNELS.map((channels) => [field, channels])));
  const narrower = CHANNELS.filter((channels) => channels < C).at(-1);
  if (narrower && rankOf(B, narrower) === SATURATED) known.set(`${B},${C}`, SATURATED);
  else if (!CHANNELS.includes(C)) await learn([[B, C]]);

  const [rank, goal] = [rankOf(B, C), rankOf(Number(target.at(-1)), 2)];
  const [parameters, needed] = [parametersOf(B, C), parametersOf(1, goal)];
  let reading = `B = ${B}, C = ${C}: rank ${rank} with ${grouped(parameters)} parameters. `;
  reading += `Without overlap, rank ${goal} needs C = ${goal}: ${grouped(needed)} parameters.`;
  if (B === 1 && rank < goal) {
    reading = `Without overlap, C = ${C}: rank ${rank}. Almost every function of ${target} has rank ${goal} and needs `;
    reading += `C = ${goal}: ${grouped(needed)} parameters instead of ${grouped(parameters)}.`;
  } else if (C === 1) {
    reading = `B = ${B}, C = 1: rank 1. A single channel only multiplies functions of single patches.`;
  } else if (rank < goal) {
    reading = `B = ${B}, C = ${C}: rank ${rank} of ${goal}, with ${grouped(parameters)} parameters.`;
  }
  const alt =
    "The rank of networks with 1 to 8 channels against their parameters, both logarithmic: B = 1 climbs slowly, " +
    `B = 2 and B = 3 steeply to 256. Marked: B = ${B}, C = ${C}, ${parameters} parameters, rank ${rank}; target ` +
    `${goal}.`;
  const more = [...new Set([...CHANNELS, C])].sort((one, other) => one - other);
  const curves = fields.map((field) => {
    const channels = field === B ? more : CHANNELS;
    return { field, points: channels.map((each) => [parametersOf(field, each), rankOf(field, each)]) };
  });
  const proved = [8, SATURATED].map((channels) => [parametersOf(1, channels), channels]);
  const picture = drawRankAgainstSize(curves, B, [parameters, rank], goal, proved);
  return { picture: marks.serialize(picture), alt, reading, values: { parameters, rank, "target rank": goal } };
};

// The curves of B, of which one point is marked, with the target and the line that no network without overlap passes.
const drawRankAgainstSize = (curves, B, marked, goal, [start, end]) => {
  const { WIDTH, INK, BOUND, SATURATION, logarithmic, addText, addLine } = marks;
  const [saturated, above] = [256, 33]; // the height of words over the level where all large networks are
  const NAMES = { 1: [240, 252, "start"], 2: [173.41, 30, "start"], 3: [163.02, 30, "end"] };
  const axes = marks.axesOf(logarithmic(10, 10 ** 6), logarithmic(1, saturated), 48, WIDTH - 10, 12);
  const { svg, at, xAt, yAt } = axes;
  axes.drawGrid([1, 4, 16, 64], 8);
  axes.drawTicks([1, 2, 3, 4, 5].map((power) => 10 ** power));
  axes.drawYLabel(saturated, 8);
  axes.drawTitles("parameters", "rank");
  axes.drawLevel(saturated, SATURATION, 2.5, "1.5 5");
  if (goal < saturated) {
    addText(svg, WIDTH - 10, yAt(saturated) - above, "saturation", { anchor: "end", fill: SATURATION });
  }
  axes.drawLevel(goal, INK, 1.5);
  addText(svg, xAt(500), yAt(goal) - (goal < saturated ? 9 : above), `target: rank ${goal}`);
  addLine(svg, at(start), at(end), BOUND, 2.5, "7 5");
  addText(svg, ...at([8000, 18]), "B=1: rank ≤ C", { fill: BOUND });
  for (const { field, points } of curves) {
    axes.drawCurve(field, points, field === B);
    const [[x, y], [right, above]] = points.slice(0, 2).map(at);
    const [left, baseline, anchor] = NAMES[field] ?? [(x + right) / 2 + 14, (y + above) / 2 + 7, "start"];
    addText(svg, left, baseline, `B=${field}`, { anchor, bold: field === B });
  }
  const [x, y] = at(marked);
  addLine(svg, [x, y], [x, marks.BOTTOM], INK, 1.5, "2 4");
  if (marked[1] < goal) addLine(svg, [x, y], [x, yAt(goal)], INK, 1.5, "2 4");
  marks.drawMarker(svg, B, [x, y], 10, true);
  return svg;
};
