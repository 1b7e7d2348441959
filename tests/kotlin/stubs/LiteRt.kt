// Stand-ins for LiteRT's Kotlin API (com.google.ai.edge.litert:litert 2.1), as far as it is used.
package com.google.ai.edge.litert

import android.content.res.AssetManager
import fake.Fake

enum class Accelerator {
    NONE,
    CPU,
    GPU,
    NPU,
}

class TensorBuffer internal constructor() : AutoCloseable {
    internal var bytes: ByteArray? = null
    internal var ints: IntArray? = null
    internal var floats: FloatArray? = null

    fun writeInt8(data: ByteArray) {
        bytes = data.copyOf()
    }

    fun writeInt(data: IntArray) {
        ints = data.copyOf()
    }

    fun writeFloat(data: FloatArray) {
        floats = data.copyOf()
    }

    fun readFloat(): FloatArray = floats!!.copyOf()

    override fun close() {
        Fake.closed++
    }

    internal fun numbers(): DoubleArray =
        bytes?.map { (it.toInt() and 255).toDouble() }?.toDoubleArray()
            ?: ints?.map { it.toDouble() }?.toDoubleArray()
            ?: floats!!.map { it.toDouble() }.toDoubleArray()
}

class CompiledModel private constructor() : AutoCloseable {
    class Options(vararg val accelerators: Accelerator)

    fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer {
        Fake.buffersMade++
        return TensorBuffer()
    }

    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer {
        Fake.buffersMade++
        val size = sizes.getValue("$signature/$outputName")
        return TensorBuffer().also { it.floats = FloatArray(size) }
    }

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ) =
        Fake.run(
            signature!!,
            inputs.mapValues { it.value.numbers() },
            outputs.mapValues { it.value.floats!! },
        )

    override fun close() {
        Fake.closed++
    }

    companion object {
        /** Number of values of "signature/output"; the test sets it from the contract. */
        var sizes: Map<String, Int> = emptyMap()

        @JvmStatic
        fun create(assets: AssetManager, name: String, options: Options): CompiledModel {
            check(options.accelerators.toList() == listOf(Accelerator.CPU))
            return CompiledModel()
        }

        @JvmStatic fun create(path: String, options: Options) = CompiledModel()
    }
}
