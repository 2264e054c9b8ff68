/** A dashboard by hooks: figures, the newest signals, and what was not delivered. `import "neurograph-ws-client/react"`. */

import type { MetricsData } from "neurograph-ws-client";
import { useChannel, useHub, useHubState, useLatest } from "neurograph-ws-client/react";

const rateOf = (data: MetricsData) => data.events_in_per_sec;
const memoryOf = (data: MetricsData) => data.memory_mb;

export function Dashboard({ url, token }: { url: string; token: string }) {
  const hub = useHub({ url, token, name: "react-dashboard" });
  const state = useHubState(hub);
  const rate = useLatest(hub, "metrics", rateOf);
  const memory = useLatest(hub, "metrics", memoryOf);
  const { events, gap } = useChannel(hub, "signals", { limit: 10, from: { last: 10 } });
  return (
    <main data-state={state}>
      <p role="status">{state}</p>
      <p>
        {rate?.toFixed(0) ?? "…"} events/s, {memory?.toFixed(0) ?? "…"} MB
      </p>
      {gap && <p role="alert">{`Signals not delivered: ${gap.missed ?? "unknown"} (${gap.reason})`}</p>}
      <ol>
        {events.map(({ position, data }) => (
          <li key={position}>
            {data.is_novel ? "new" : `like ${data.neighbors[0]?.token_id}`}: token {data.token_id}
          </li>
        ))}
      </ol>
    </main>
  );
}
