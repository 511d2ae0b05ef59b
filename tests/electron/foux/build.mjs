import { build } from "esbuild";

const define = { "process.env.NODE_ENV": '"production"' };
await build({ entryPoints: ["src/page.tsx"], outdir: "dist", bundle: true, jsx: "automatic", target: "chrome114", define });
