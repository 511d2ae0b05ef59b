import { createRoot } from "react-dom/client";

import { CodexChat } from "./components/CodexChat";

const root = document.getElementById("root");
if (root) createRoot(root).render(<CodexChat />);
