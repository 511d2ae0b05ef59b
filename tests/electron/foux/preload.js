const { contextBridge } = require("electron");

contextBridge.exposeInMainWorld("foux", { name: "Foux" });
