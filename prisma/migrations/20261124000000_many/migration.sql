-- CreateEnum
CREATE TYPE "bulk_job_status" AS ENUM ('CREATED', 'PROCESSING', 'PAUSED', 'COMPLETED', 'CANCELED', 'ERROR');

-- CreateEnum
CREATE TYPE "webhook_delivery_status" AS ENUM ('PENDING', 'DELIVERED', 'FAILED');

-- AlterTable
ALTER TABLE "message" ADD COLUMN     "replaced_by" TEXT;

-- CreateTable
CREATE TABLE "bulk_job" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "mode" "api_key_mode" NOT NULL DEFAULT 'LIVE',
    "status" "bulk_job_status" NOT NULL DEFAULT 'CREATED',
    "error" TEXT,
    "given" JSONB NOT NULL,
    "definition" JSONB NOT NULL,
    "request_id" TEXT NOT NULL,
    "received" INTEGER NOT NULL DEFAULT 0,
    "enqueued" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "placed" BIGINT NOT NULL DEFAULT 0,
    "round" INTEGER NOT NULL DEFAULT 0,
    "retried" TEXT,
    "faulty_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "bulk_job_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "bulk_user" (
    "environment_id" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "to" JSON,
    "message_id" TEXT,
    "error" TEXT,

    CONSTRAINT "bulk_user_pkey" PRIMARY KEY ("environment_id","job_id","position")
);

-- CreateTable
CREATE TABLE "bulk_count" (
    "environment_id" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "backend" INTEGER NOT NULL,
    "pending" INTEGER NOT NULL,
    "sent" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "canceled" INTEGER NOT NULL,

    CONSTRAINT "bulk_count_pkey" PRIMARY KEY ("environment_id","job_id","backend")
);

-- CreateTable
CREATE TABLE "webhook_endpoint" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "events" TEXT[],
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "disabled_reason" TEXT,
    "description" TEXT,
    "secrets" TEXT NOT NULL,
    "failing_since" TIMESTAMPTZ(3),
    "failed_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_endpoint_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "webhook_delivery" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "event" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "payload" JSON NOT NULL,
    "status" "webhook_delivery_status" NOT NULL DEFAULT 'PENDING',
    "attempts" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "next_attempt_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_delivery_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "held_line" (
    "lane" TEXT NOT NULL,
    "fairness_key" TEXT NOT NULL,
    "until" TIMESTAMPTZ(3),

    CONSTRAINT "held_line_pkey" PRIMARY KEY ("lane","fairness_key")
);

-- CreateIndex
CREATE INDEX "bulk_job_environment_id_created_at_id_idx" ON "bulk_job"("environment_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "bulk_user_environment_id_job_id_key_key" ON "bulk_user"("environment_id", "job_id", "key");

-- CreateIndex
CREATE INDEX "webhook_delivery_environment_id_endpoint_id_created_at_id_idx" ON "webhook_delivery"("environment_id", "endpoint_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "webhook_delivery_environment_id_message_id_idx" ON "webhook_delivery"("environment_id", "message_id");

-- Those of whom no message could be made are few, and looked for by themselves.
CREATE INDEX "bulk_user_failed" ON "bulk_user"("environment_id", "job_id", "position") WHERE "error" IS NOT NULL;

-- Nearly all events are delivered; those that are not are looked for.
CREATE INDEX "webhook_delivery_open" ON "webhook_delivery"("environment_id", "endpoint_id", "created_at", "id")
WHERE "status" <> 'DELIVERED';

-- A row for each connection is changed with every group of results.
ALTER TABLE "bulk_count" SET (fillfactor = 20);

-- What a message counts as: pending, sent, failed, skipped or canceled.
CREATE FUNCTION "message_tally"("status" "message_status") RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN "status" IN ('ENQUEUED', 'DELAYED', 'ROUTED') THEN 'pending'
    WHEN "status" IN ('SENT', 'DELIVERED', 'OPENED', 'CLICKED', 'SIMULATED') THEN 'sent'
    WHEN "status" IN ('UNMAPPED', 'UNROUTABLE', 'UNDELIVERABLE') THEN 'failed'
    WHEN "status" IN ('FILTERED', 'THROTTLED', 'DIGESTED') THEN 'skipped'
    WHEN "status" = 'CANCELED' THEN 'canceled'
  END
$$;

-- The event of a message whose status changed, for each endpoint that wants it, with the job that delivers it. The two queries
-- that call it differ in where their messages come from. Nothing is locked but rows that are new, so it waits for nobody. Ids are
-- in the order of time, like those of a UUID of version 7.
CREATE FUNCTION "tell_endpoints"("changed" "message"[]) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  WITH "told" AS (
    INSERT INTO "webhook_delivery" ("environment_id", "id", "endpoint_id", "event", "message_id", "payload", "created_at")
    SELECT m."environment_id",
           'whd_' || lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
             || substr(replace(gen_random_uuid()::text, '-', ''), 13),
           e."id", 'message:updated', m."id",
           json_build_object('type', 'message:updated', 'timestamp', t."text", 'data', json_build_object(
             'id', m."id", 'status', m."status", 'reason', m."reason", 'recipient', m."recipient", 'timestamp', t."text")),
           date_trunc('milliseconds', clock_timestamp())
    FROM unnest("changed") AS m
    JOIN "webhook_endpoint" e
      ON e."environment_id" = m."environment_id" AND e."enabled" AND 'message:updated' = ANY (e."events")
    CROSS JOIN LATERAL (SELECT to_char(m."updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "text") t
    RETURNING "environment_id", "id", "endpoint_id"
  )
  INSERT INTO "job" ("kind", "lane", "fairness_key", "run_at", "payload")
  SELECT 'webhook', 'webhook', "environment_id" || E'\n' || 'webhook' || E'\n' || "endpoint_id", date_trunc('milliseconds', now()),
         jsonb_build_object('environmentId', "environment_id", 'deliveryId', "id")
  FROM "told";
END
$$;

-- Whoever makes messages or changes them, in the same transaction a bulk job's counts and the events of endpoints follow.
CREATE FUNCTION "message_added"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM "added" WHERE "job_id" IS NOT NULL) THEN
    INSERT INTO "bulk_count" AS c ("environment_id", "job_id", "backend", "pending", "sent", "failed", "skipped", "canceled")
    SELECT "environment_id", "job_id", pg_backend_pid(),
           count(*) FILTER (WHERE message_tally("status") = 'pending'), count(*) FILTER (WHERE message_tally("status") = 'sent'),
           count(*) FILTER (WHERE message_tally("status") = 'failed'), count(*) FILTER (WHERE message_tally("status") = 'skipped'),
           count(*) FILTER (WHERE message_tally("status") = 'canceled')
    FROM "added" WHERE "job_id" IS NOT NULL AND "replaced_by" IS NULL
    GROUP BY 1, 2
    ON CONFLICT ("environment_id", "job_id", "backend") DO UPDATE
    SET "pending" = c."pending" + excluded."pending", "sent" = c."sent" + excluded."sent", "failed" = c."failed" + excluded."failed",
        "skipped" = c."skipped" + excluded."skipped", "canceled" = c."canceled" + excluded."canceled";
  END IF;
  IF EXISTS (SELECT FROM "webhook_endpoint" WHERE "enabled") THEN
    PERFORM tell_endpoints(array_agg(m::"message")) FROM "added" m;
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION "message_changed"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM "after" WHERE "job_id" IS NOT NULL) THEN
    INSERT INTO "bulk_count" AS c ("environment_id", "job_id", "backend", "pending", "sent", "failed", "skipped", "canceled")
    SELECT "environment_id", "job_id", pg_backend_pid(),
           coalesce(sum(n) FILTER (WHERE tally = 'pending'), 0), coalesce(sum(n) FILTER (WHERE tally = 'sent'), 0),
           coalesce(sum(n) FILTER (WHERE tally = 'failed'), 0), coalesce(sum(n) FILTER (WHERE tally = 'skipped'), 0),
           coalesce(sum(n) FILTER (WHERE tally = 'canceled'), 0)
    FROM (
      SELECT "environment_id", "job_id", message_tally("status") AS tally, 1 AS n
      FROM "after" WHERE "job_id" IS NOT NULL AND "replaced_by" IS NULL
      UNION ALL
      SELECT "environment_id", "job_id", message_tally("status"), -1
      FROM "before" WHERE "job_id" IS NOT NULL AND "replaced_by" IS NULL
    ) AS moved
    GROUP BY 1, 2
    ON CONFLICT ("environment_id", "job_id", "backend") DO UPDATE
    SET "pending" = c."pending" + excluded."pending", "sent" = c."sent" + excluded."sent", "failed" = c."failed" + excluded."failed",
        "skipped" = c."skipped" + excluded."skipped", "canceled" = c."canceled" + excluded."canceled";
  END IF;
  IF EXISTS (SELECT FROM "webhook_endpoint" WHERE "enabled") THEN
    PERFORM tell_endpoints(array_agg(m::"message"))
    FROM "after" m JOIN "before" b ON b."environment_id" = m."environment_id" AND b."id" = m."id"
    WHERE b."status" <> m."status";
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER "message_added" AFTER INSERT ON "message"
REFERENCING NEW TABLE AS "added" FOR EACH STATEMENT EXECUTE FUNCTION "message_added"();

CREATE TRIGGER "message_changed" AFTER UPDATE ON "message"
REFERENCING OLD TABLE AS "before" NEW TABLE AS "after" FOR EACH STATEMENT EXECUTE FUNCTION "message_changed"();
