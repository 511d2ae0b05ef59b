CREATE INDEX conversation_thread ON conversation(thread_id);
