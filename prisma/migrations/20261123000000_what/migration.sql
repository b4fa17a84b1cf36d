-- AlterTable
ALTER TABLE "environment" ADD COLUMN     "track_clicks" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "track_opens" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "template" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "draft" JSONB NOT NULL,
    "published" INTEGER,
    "newest" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "template_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "template_version" (
    "environment_id" TEXT NOT NULL,
    "template_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "body" JSONB NOT NULL,
    "published_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "template_version_pkey" PRIMARY KEY ("environment_id","template_id","number")
);

-- AddForeignKey
ALTER TABLE "template_version" ADD CONSTRAINT "template_version_environment_id_template_id_fkey" FOREIGN KEY ("environment_id", "template_id") REFERENCES "template"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
