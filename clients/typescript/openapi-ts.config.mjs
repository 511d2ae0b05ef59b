// How src/generated is made from the server's contract. `output` may be given, to compare.
export default {
  input: "../../openapi.json",
  output: {
    path: process.env.GENERATED_INTO ?? "src/generated",
    importFileExtension: ".js",
    clean: true,
  },
  logs: { level: "silent" },
  plugins: [
    { name: "@hey-api/client-fetch", throwOnError: true },
    "@hey-api/typescript",
    {
      name: "@hey-api/sdk",
      responseStyle: "data",
      operations: { strategy: "single", containerName: "Api" },
    },
  ],
};
