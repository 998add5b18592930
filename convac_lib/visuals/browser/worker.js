// Runs the page's own engine beside the page, in a worker made from the engine's own text. So it starts from a file
// too, where a worker cannot be loaded by its address, and nothing is requested.
const serve = (compute) => {
  onmessage = ({ data: { task, argument } }) => {
    let said = 0;
    const hear = (done, seen) => {
      if (!seen && Date.now() - said < 50) return;
      said = Date.now();
      postMessage({ done, seen });
    };
    try {
      postMessage({ answer: compute[task](argument, hear) });
    } catch (error) {
      const refusal = error.refusal ? error.message : `the page's engine failed: ${error}`;
      postMessage({ refusal, found: error.found });
    }
  };
};

const NO_WORKER = "This browser lets no page compute on its own, so only the recorded values are shown";

// Ask one question: "certifyRank" with { network, cut, rows, seed, prime }, "certifyRanks" with a list of these,
// "bounds" with { network, cut }, or "verify" with a file's bytes. `hear` is told which part is done, from 0 to 1, and
// what there is to see; `more` makes further tasks of the checker. Returns the promise of the answer, which a refusal
// rejects with one sentence, and `cancel`, which ends the work at once and rejects it too.
export const ask = (task, argument, hear = () => {}, more = () => ({})) => {
  let cancel;
  const answer = new Promise((resolve, reject) => {
    let [worker, address] = [];
    const end = (settle, outcome) => {
      worker?.terminate();
      if (address) URL.revokeObjectURL(address);
      settle(outcome);
    };
    cancel = () => end(reject, new Error("cancelled"));
    const text = `(${serve})((() => {
      const plans = (${networks})(${generator});
      const ranks = (${engine})(plans);
      const bounds = ({ network, cut }) => {
        plans.requireNetwork(network);
        return { ...plans.geometry(network), ...plans.bounds(network, plans.sidesOf(cut, network.size)) };
      };
      const { certifyRank, certifyRanks } = ranks;
      const checker = (${certificates})(plans, ranks);
      return { bounds, certifyRank, certifyRanks, verify: checker.verify, ...(${more})(checker, plans) };
    })())`;
    try {
      address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      worker = new Worker(address);
    } catch {
      return end(reject, new Error(NO_WORKER));
    }
    worker.onerror = () => end(reject, new Error(NO_WORKER));
    worker.onmessage = ({ data }) => {
      const refusal = () => Object.assign(new Error(data.refusal), { refusal: true, found: data.found });
      if (data.done !== undefined) hear(data.done, data.seen);
      else if (data.refusal) end(reject, refusal());
      else end(resolve, data.answer);
    };
    worker.postMessage({ task, argument });
  });
  return { answer, cancel };
};
