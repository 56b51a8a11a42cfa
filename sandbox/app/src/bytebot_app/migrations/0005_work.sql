-- What a task leaves behind when it is worked on, and the claim of the worker that has it.
ALTER TABLE "Task"
  ADD COLUMN "userId" text GENERATED ALWAYS AS ("createdBy") STORED,
  ADD COLUMN "claimedBy" text,
  ADD COLUMN "claimedUntil" timestamp(3),
  ADD COLUMN attempts integer NOT NULL DEFAULT 0;
CREATE INDEX task_waiting ON "Task" (status, "queuedAt") WHERE status IN ('PENDING', 'RUNNING');

CREATE TABLE "Summary" (
  id text PRIMARY KEY,
  content text NOT NULL,
  "createdAt" timestamp(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamp(3) NOT NULL DEFAULT now(),
  "taskId" text NOT NULL REFERENCES "Task" (id) ON DELETE CASCADE,
  "parentId" text REFERENCES "Summary" (id) ON DELETE SET NULL
);
CREATE INDEX summary_task ON "Summary" ("taskId");

CREATE TABLE "Message" (
  id text PRIMARY KEY,
  content jsonb NOT NULL,
  role "Role" NOT NULL,
  -- Two messages of the same millisecond have an order, too.
  number bigint GENERATED ALWAYS AS IDENTITY,
  "createdAt" timestamp(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamp(3) NOT NULL DEFAULT now(),
  "taskId" text NOT NULL REFERENCES "Task" (id) ON DELETE CASCADE,
  "summaryId" text REFERENCES "Summary" (id) ON DELETE SET NULL
);
CREATE INDEX message_task ON "Message" ("taskId", number);

CREATE TABLE "File" (
  id text PRIMARY KEY,
  name text NOT NULL,
  type text NOT NULL,
  size integer NOT NULL,
  data text NOT NULL,
  "createdAt" timestamp(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamp(3) NOT NULL DEFAULT now(),
  "taskId" text NOT NULL REFERENCES "Task" (id) ON DELETE CASCADE
);
CREATE INDEX file_task ON "File" ("taskId");
