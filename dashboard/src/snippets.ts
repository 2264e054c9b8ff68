/** Client code for this hub, ready to run: with its address and a token that may only look. */

export interface Snippet {
  readonly language: string;
  /** What has to be there first. */
  readonly needs: string;
  readonly code: string;
}

export const snippets = (url: string, token: string): readonly Snippet[] => [
  {
    language: "Python",
    needs: "pip install neurograph-ws-client",
    code: `import asyncio
from neurograph_ws_client import NeurographWSClient

async def main():
    async with NeurographWSClient("${url}", token="${token}") as hub:
        async for event in hub.subscribe("metrics"):
            print(event.event, event.data)

asyncio.run(main())
`,
  },
  {
    language: "TypeScript",
    needs: "npm install neurograph-ws-client (on Node 20 also ws)",
    code: `import NeurographWSClient from "neurograph-ws-client/node";

const client = new NeurographWSClient({ url: "${url}", token: "${token}" });
await client.connect();
client.subscribe("metrics", (data, event) => console.log(event.event, data));
`,
  },
  {
    language: "Command line",
    needs: "pip install ng-ws",
    code: `NG_TOKEN=${token} ng-ws --url ${url} --subscribe metrics,status
`,
  },
];

/** The code as it is shown: a token is to be copied, not read off a screen. */
export const shown = ({ code }: Snippet, token: string): string => code.replaceAll(token, `${token.slice(0, 6)}…`);
