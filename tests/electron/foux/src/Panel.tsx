export const Panel = () => <p>Here will be a chat.</p>;
