-- AlterTable
ALTER TABLE "delivery" ADD COLUMN     "reports" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- AlterTable
ALTER TABLE "environment" ADD COLUMN     "routing" JSONB,
ADD COLUMN     "send_limits" JSONB NOT NULL DEFAULT '[]';

-- AlterTable
ALTER TABLE "message" ADD COLUMN     "counted_at" TIMESTAMPTZ(3),
ADD COLUMN     "redriven_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "provider" DROP COLUMN "health",
DROP COLUMN "last_error";

-- AlterTable
ALTER TABLE "request" ADD COLUMN     "canceled_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "provider_state" (
    "environment_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "health" "provider_health" NOT NULL,
    "last_error" TEXT,
    "until" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "provider_state_pkey" PRIMARY KEY ("environment_id","provider_id")
);

-- CreateTable
CREATE TABLE "send_count" (
    "environment_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "period_start" TIMESTAMPTZ(3) NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "send_count_pkey" PRIMARY KEY ("environment_id","key","period_start")
);
